// Keys come in blocks with a running maximum and sum, so that scores never leave the core's cache.
// Both products are C += A B with B in panels of 48 or 32 columns and the contraction in units of
// 32 bits: one float32, or two neighbouring bfloat16 that VDPBF16PS multiplies at once.
#include "kernels/cpu/attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/cpu/avx512.h"

namespace sdxl {

#ifdef SDXL_HAS_AVX512_KERNELS
namespace {

constexpr int64_t kRows = 8;         // of a register block
constexpr int64_t kQueryBlock = 64;  // rows of a task
constexpr int64_t kScorePanel = 48;  // keys
constexpr int64_t kKeyBlock = 8 * kScorePanel;
constexpr int64_t kValuePanel = 32;  // features

/// C [kRows, 16 * V] = or += A [kRows, units] B [units, 16 * V]; B's rows follow each other.
template <typename Type, int V>
SDXL_AVX512 void multiply_block(const uint32_t* a, int64_t a_stride, const uint32_t* b,
                                int64_t units, float* c, int64_t c_stride, bool add) {
  __m512 sums[kRows][V];
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t v = 0; v < V; ++v) {
      sums[r][v] = add ? _mm512_loadu_ps(c + r * c_stride + v * kLanes) : _mm512_setzero_ps();
    }
  }
  for (int64_t u = 0; u < units; ++u) {
    __m512i columns[V];
    for (int64_t v = 0; v < V; ++v) columns[v] = _mm512_loadu_si512(b + (u * V + v) * kLanes);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRows; ++r) {
      const __m512i row = _mm512_set1_epi32(static_cast<int>(a[r * a_stride + u]));
      for (int64_t v = 0; v < V; ++v) {
        sums[r][v] = Type::multiply_add(sums[r][v], columns[v], row);
      }
    }
  }
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t v = 0; v < V; ++v) _mm512_storeu_ps(c + r * c_stride + v * kLanes, sums[r][v]);
  }
}

/// The same for every block of `rows` and a panel of `columns` (16, 32 or 48).
template <typename Type>
SDXL_AVX512 void multiply_panel(const uint32_t* a, int64_t a_stride, const uint32_t* b,
                                int64_t units, float* c, int64_t c_stride, int64_t rows,
                                int64_t columns, bool add) {
  for (int64_t r = 0; r < rows; r += kRows) {
    const uint32_t* rows_of_a = a + r * a_stride;
    float* rows_of_c = c + r * c_stride;
    if (columns == 3 * kLanes) {
      multiply_block<Type, 3>(rows_of_a, a_stride, b, units, rows_of_c, c_stride, add);
    } else if (columns == 2 * kLanes) {
      multiply_block<Type, 2>(rows_of_a, a_stride, b, units, rows_of_c, c_stride, add);
    } else {
      multiply_block<Type, 1>(rows_of_a, a_stride, b, units, rows_of_c, c_stride, add);
    }
  }
}

struct Lanes {
  alignas(64) float values[kLanes];
};
SDXL_AVX512 inline Lanes lanes_of(__m512 values) {
  Lanes lanes;
  _mm512_store_ps(lanes.values, values);
  return lanes;
}

/// A row's running maximum and sum.
struct RowState {
  float maximum = -std::numeric_limits<float>::infinity();
  float sum = 0;
};

/// Scores [keys] of one row to weights, exp(scale * score - maximum); returns what earlier weights
/// of the row must be multiplied by.
template <typename Type>
SDXL_AVX512 float soften(const float* scores, int64_t keys, float scale,
                         typename Type::Element* weights, RowState* state) {
  __m512 largest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  for (int64_t i = 0; i < keys; i += kLanes) {
    largest = _mm512_max_ps(largest, _mm512_loadu_ps(scores + i));
  }
  float maximum = state->maximum;
  for (const float lane : lanes_of(largest).values) maximum = std::max(maximum, lane * scale);
  const __m512 scales = _mm512_set1_ps(scale), offset = _mm512_set1_ps(-maximum);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < keys; i += kLanes) {
    const __m512 weight = exponential(_mm512_fmadd_ps(_mm512_loadu_ps(scores + i), scales, offset));
    sum = _mm512_add_ps(sum, weight);
    Type::store(weights + i, weight);
  }
  const float correction = std::exp(state->maximum - maximum);
  state->sum *= correction;
  for (const float lane : lanes_of(sum).values) state->sum += lane;
  state->maximum = maximum;
  return correction;
}

SDXL_AVX512 void scale_row(float* row, int64_t size, float factor) {
  const __m512 factors = _mm512_set1_ps(factor);
  for (int64_t i = 0; i < size; i += kLanes) {
    _mm512_storeu_ps(row + i, _mm512_mul_ps(_mm512_loadu_ps(row + i), factors));
  }
}

template <typename Type>
SDXL_AVX512 void store_row(const float* row, int64_t size, float factor,
                           typename Type::Element* to) {
  const __m512 factors = _mm512_set1_ps(factor);
  for (int64_t i = 0; i < size; i += kLanes) {
    Type::store(to + i, _mm512_mul_ps(_mm512_loadu_ps(row + i), factors));
  }
}

/// One head's rows in a [B, S, N * D] tensor.
template <typename Element>
struct HeadRows {
  Element* first;
  int64_t stride;  // elements from row to row
  Element* row(int64_t index) const { return first + index * stride; }
};

/// Keys [T, D] to panels of kScorePanel keys, each [D / unit, keys]; keys past T are zeros.
template <typename Type>
void pack_keys(const HeadRows<const typename Type::Element>& keys, int64_t count, int64_t padded,
               int64_t features, uint32_t* to) {
  const int64_t units = features / Type::kPerUnit;
  for (int64_t begin = 0; begin < padded; begin += kScorePanel) {
    const int64_t width = std::min(kScorePanel, padded - begin);
    for (int64_t k = 0; k < width; ++k) {
      if (begin + k >= count) {
        for (int64_t u = 0; u < units; ++u) to[u * width + k] = 0;
        continue;
      }
      const char* row = reinterpret_cast<const char*>(keys.row(begin + k));
      for (int64_t u = 0; u < units; ++u) std::memcpy(to + u * width + k, row + u * 4, 4);
    }
    to += units * width;
  }
}

/// Values [T, D] to blocks of kKeyBlock keys, each in panels of kValuePanel features, each
/// [keys / unit, features]; keys past T are zeros.
template <typename Type>
void pack_values(const HeadRows<const typename Type::Element>& values, int64_t count,
                 int64_t padded, int64_t features, uint32_t* to) {
  using Element = typename Type::Element;
  for (int64_t block = 0; block < padded; block += kKeyBlock) {
    const int64_t keys = std::min(kKeyBlock, padded - block);
    for (int64_t begin = 0; begin < features; begin += kValuePanel) {
      const int64_t width = std::min(kValuePanel, features - begin);
      auto* panel = reinterpret_cast<Element*>(to);
      for (int64_t k = 0; k < keys; ++k) {
        Element* line = panel + k / Type::kPerUnit * width * Type::kPerUnit + k % Type::kPerUnit;
        const bool real = block + k < count;
        const Element* row = real ? values.row(block + k) + begin : nullptr;
        for (int64_t i = 0; i < width; ++i) line[i * Type::kPerUnit] = real ? row[i] : Element(0);
      }
      to += keys / Type::kPerUnit * width;
    }
  }
}

struct Sizes {
  int64_t queries, keys, padded_keys, features;
  float scale;
};

/// A thread's buffers.
template <typename Type>
struct Workspace {
  using Element = typename Type::Element;
  explicit Workspace(const Sizes& sizes)
      : queries(memory.take<Element>(kQueryBlock * sizes.features)),
        scores(memory.take<float>(kQueryBlock * kKeyBlock)),
        weights(memory.take<Element>(kQueryBlock * kKeyBlock)),
        output(memory.take<float>(kQueryBlock * sizes.features)) {}
  Scratch memory;
  Element* queries;  // [kQueryBlock, D], rows past the last are zeros
  float* scores;     // [kQueryBlock, kKeyBlock]
  Element* weights;  // [kQueryBlock, kKeyBlock]
  float* output;     // [kQueryBlock, D]
};

/// Rows begin .. begin + kQueryBlock of one head.
template <typename Type>
SDXL_AVX512 void attend(const HeadRows<const typename Type::Element>& queries, int64_t begin,
                        const uint32_t* keys, const uint32_t* values, const Sizes& sizes,
                        Workspace<Type>* work, const HeadRows<typename Type::Element>& output,
                        float* log_sum_exps) {
  using Element = typename Type::Element;
  const int64_t features = sizes.features, units = features / Type::kPerUnit;
  const int64_t count = std::min(kQueryBlock, sizes.queries - begin);
  const int64_t rows = round_up(count, kRows);
  for (int64_t r = 0; r < rows; ++r) {
    Element* to = work->queries + r * features;
    if (r < count) {
      std::copy_n(queries.row(begin + r), features, to);
    } else {
      std::fill_n(to, features, Element(0));
    }
  }
  RowState states[kQueryBlock];
  for (int64_t block = 0; block < sizes.padded_keys; block += kKeyBlock) {
    // 1. Scores of the block's keys; those past the last get no weight.
    const int64_t width = std::min(kKeyBlock, sizes.padded_keys - block);
    for (int64_t panel = 0; panel < width; panel += kScorePanel) {
      const int64_t columns = std::min(kScorePanel, width - panel);
      multiply_panel<Type>(reinterpret_cast<const uint32_t*>(work->queries), units, keys, units,
                           work->scores + panel, kKeyBlock, rows, columns, false);
      keys += units * columns;
    }
    for (int64_t key = std::max(int64_t{0}, sizes.keys - block); key < width; ++key) {
      for (int64_t r = 0; r < rows; ++r) {
        work->scores[r * kKeyBlock + key] = -std::numeric_limits<float>::infinity();
      }
    }
    // 2. Weights.
    for (int64_t r = 0; r < rows; ++r) {
      const float correction = soften<Type>(work->scores + r * kKeyBlock, width, sizes.scale,
                                            work->weights + r * kKeyBlock, &states[r]);
      if (block > 0 && correction != 1.0f) {
        scale_row(work->output + r * features, features, correction);
      }
    }
    // 3. Their sums of values.
    for (int64_t panel = 0; panel < features; panel += kValuePanel) {
      const int64_t columns = std::min(kValuePanel, features - panel);
      multiply_panel<Type>(reinterpret_cast<const uint32_t*>(work->weights),
                           kKeyBlock / Type::kPerUnit, values, width / Type::kPerUnit,
                           work->output + panel, features, rows, columns, block > 0);
      values += width / Type::kPerUnit * columns;
    }
  }
  for (int64_t r = 0; r < count; ++r) {
    log_sum_exps[begin + r] = states[r].maximum + std::log(states[r].sum);
    store_row<Type>(work->output + r * features, features, 1.0f / states[r].sum,
                    output.row(begin + r));
  }
}

template <typename Type, typename Element>
HeadRows<Element> head_rows(const at::Tensor& tensor, int64_t batch, int64_t head,
                            int64_t features) {
  auto* data = static_cast<Element*>(const_cast<void*>(tensor.const_data_ptr()));
  return {data + batch * tensor.stride(0) + head * features, tensor.stride(1)};
}

template <typename Type>
AttentionResult attention_of(const at::Tensor& query, const at::Tensor& key,
                             const at::Tensor& value, int64_t heads) {
  using Element = typename Type::Element;
  const int64_t batch = query.size(0), queries = query.size(1), keys = key.size(1);
  const int64_t features = query.size(2) / heads;
  const Sizes sizes{queries, keys, round_up(keys, kLanes), features,
                    1.0f / std::sqrt(static_cast<float>(features))};
  at::Tensor output = at::empty(query.sizes(), query.options());
  at::Tensor log_sum_exps = at::empty({batch, heads, queries}, at::kFloat);
  // 1. Keys and values of every head in the order in which they are read.
  const int64_t packed = sizes.padded_keys * features / Type::kPerUnit;
  Scratch memory;
  auto* packed_keys = memory.take<uint32_t>(batch * heads * packed);
  auto* packed_values = memory.take<uint32_t>(batch * heads * packed);
  at::parallel_for(0, batch * heads, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const int64_t b = i / heads, n = i % heads;
      pack_keys<Type>(head_rows<Type, const Element>(key, b, n, features), keys, sizes.padded_keys,
                      features, packed_keys + i * packed);
      pack_values<Type>(head_rows<Type, const Element>(value, b, n, features), keys,
                        sizes.padded_keys, features, packed_values + i * packed);
    }
  });
  // 2. Blocks of queries.
  const int64_t blocks = (queries + kQueryBlock - 1) / kQueryBlock;
  at::parallel_for(0, batch * heads * blocks, 1, [&](int64_t from, int64_t to) {
    Workspace<Type> work(sizes);
    for (int64_t task = from; task < to; ++task) {
      const int64_t i = task / blocks, b = i / heads, n = i % heads;
      attend<Type>(head_rows<Type, const Element>(query, b, n, features),
                   task % blocks * kQueryBlock, packed_keys + i * packed,
                   packed_values + i * packed, sizes, &work,
                   head_rows<Type, Element>(output, b, n, features),
                   log_sum_exps.data_ptr<float>() + i * queries);
    }
  });
  return {output, log_sum_exps};
}

}  // namespace

bool cpu_attention_takes(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         int64_t heads) {
  const at::ScalarType dtype = query.scalar_type();
  if (!query.is_cpu() || !avx512_takes(dtype)) return false;
  if (query.size(2) / heads % kLanes != 0) return false;
  for (const at::Tensor* tensor : {&query, &key, &value}) {
    if (tensor->scalar_type() != dtype || tensor->stride(2) != 1 || tensor->numel() == 0) {
      return false;
    }
  }
  return true;
}

AttentionResult cpu_attention(const at::Tensor& query, const at::Tensor& key,
                              const at::Tensor& value, int64_t heads) {
  if (query.scalar_type() == at::kBFloat16) {
    return attention_of<BFloat16>(query, key, value, heads);
  }
  return attention_of<Float32>(query, key, value, heads);
}

#else

bool cpu_attention_takes(const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t) {
  return false;
}

AttentionResult cpu_attention(const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t) {
  return {};
}

#endif

}  // namespace sdxl
