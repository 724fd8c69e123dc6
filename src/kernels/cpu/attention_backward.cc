// Flash attention's gradients (Dao et al. 2022, algorithm 4): weights are recomputed from the
// scores and the sums that the forward pass kept, a tile of 64 keys by a block of queries at a
// time.
#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/matmul_tiles.h"

namespace sdxl {

#ifdef SDXL_HAS_AVX512_KERNELS
namespace {

constexpr int64_t kBlockQueries = 128;

struct HeadSizes {
  int64_t queries, keys, features;
  float scale;
  int64_t query_rows() const { return round_up(queries, 2); }  // whole units of bfloat16
  int64_t panels() const { return (features + kTileColumns - 1) / kTileColumns; }
  int64_t panel_width(int64_t panel) const {
    return std::min(kTileColumns, features - panel * kTileColumns);
  }
};

/// Rows of one head in a [B, S, N * D] tensor.
Rows head_of(const at::Tensor& tensor, int64_t batch, int64_t head, int64_t features) {
  const auto* data = static_cast<const char*>(tensor.const_data_ptr());
  const int64_t place = batch * tensor.stride(0) + head * features;
  return {data + place * tensor.element_size(), tensor.stride(1), tensor.size(1), features,
          tensor.scalar_type() == at::kFloat};
}

struct Head {
  Rows query, key, value, output, gradient;  // of the output
  Rows to_query, to_key, to_value;           // written
  const float* log_sum_exps;                 // [S]
};

/// Units of a depth of `elements`.
template <typename Type>
int64_t units_of(int64_t elements) {
  return divided(elements, Type::kPerUnit);
}

/// A whole matrix [S, D] with its depth down the rows: panels of up to 64 columns, each [units of
/// S, columns].
template <typename Type>
void lay_out_down(const Rows& from, const HeadSizes& sizes, int64_t row, int64_t rows,
                  uint32_t* to) {
  const int64_t depth = units_of<Type>(rows);
  for (int64_t p = 0; p < sizes.panels(); ++p) {
    lay_out<Type>(from, true, row / Type::kPerUnit, depth, p * kTileColumns, sizes.panel_width(p),
                  to);
    to += depth * sizes.panel_width(p);
  }
}

/// Computes the gradients of one head, with a thread's buffers.
template <typename Type>
class HeadWork {
 public:
  using Element = typename Type::Element;

  explicit HeadWork(const HeadSizes& sizes) : sizes_(sizes) {
    const int64_t queries = sizes.query_rows(), width = sizes.features;
    queries_ = memory_.take<uint32_t>(units_of<Type>(queries) * width);
    gradients_ = memory_.take<uint32_t>(units_of<Type>(queries) * width);
    to_query_ = memory_.take<float>(sizes.panels() * queries * kTileColumns);
    deltas_ = memory_.take<float>(queries);
    const int64_t per_tile = kTileColumns * units_of<Type>(width);
    keys_across_ = memory_.take<uint32_t>(per_tile);
    values_across_ = memory_.take<uint32_t>(per_tile);
    keys_down_ = memory_.take<uint32_t>(kTileColumns * width);
    to_key_ = memory_.take<float>(sizes.panels() * kTileColumns * kTileColumns);
    to_value_ = memory_.take<float>(sizes.panels() * kTileColumns * kTileColumns);
    scores_ = memory_.take<float>(kBlockQueries * kTileColumns);
    slopes_ = memory_.take<float>(kBlockQueries * kTileColumns);
    weights_ = memory_.take<Element>(kBlockQueries * kTileColumns);
    changes_ = memory_.take<Element>(kBlockQueries * kTileColumns);
    turned_ = memory_.take<uint32_t>(kBlockQueries * kTileColumns);
  }

  SDXL_AVX512 void compute(const Head& head) {
    // 1. Queries and output gradients with their rows as depth, block by block.
    for (int64_t row = 0; row < sizes_.queries; row += kBlockQueries) {
      const int64_t rows = std::min(kBlockQueries, sizes_.queries - row);
      const int64_t place = row / Type::kPerUnit * sizes_.features;
      lay_out_down<Type>(head.query, sizes_, row, rows, queries_ + place);
      lay_out_down<Type>(head.gradient, sizes_, row, rows, gradients_ + place);
    }
    sum_deltas(head);
    // 2. Tiles of keys.
    for (int64_t key = 0; key < sizes_.keys; key += kTileColumns) compute_keys(head, key);
    store(head.to_query, 0, sizes_.queries, to_query_, sizes_.query_rows());
  }

 private:
  /// deltas = sum of output * its gradient over the features, for each query.
  SDXL_AVX512 void sum_deltas(const Head& head) {
    for (int64_t row = 0; row < sizes_.queries; ++row) {
      const auto* output = head.output.at<Element>(row, 0);
      const auto* gradient = head.gradient.at<Element>(row, 0);
      __m512 sum = _mm512_setzero_ps();
      for (int64_t i = 0; i < sizes_.features; i += kLanes) {
        sum = _mm512_fmadd_ps(Type::load(output + i), Type::load(gradient + i), sum);
      }
      deltas_[row] = _mm512_reduce_add_ps(sum);
    }
  }

  SDXL_AVX512 void compute_keys(const Head& head, int64_t key) {
    const int64_t count = std::min(kTileColumns, sizes_.keys - key);
    const int64_t depth = units_of<Type>(sizes_.features);
    lay_out<Type>(from_row(head.key, key), false, 0, depth, 0, kTileColumns, keys_across_);
    lay_out<Type>(from_row(head.value, key), false, 0, depth, 0, kTileColumns, values_across_);
    lay_out_down<Type>(head.key, sizes_, key, count, keys_down_);
    for (int64_t row = 0; row < sizes_.queries; row += kBlockQueries) {
      compute_block(head, key, count, row, std::min(kBlockQueries, sizes_.queries - row));
    }
    store(head.to_key, key, count, to_key_, kTileColumns);
    store(head.to_value, key, count, to_value_, kTileColumns);
  }

  SDXL_AVX512 void compute_block(const Head& head, int64_t key, int64_t count, int64_t row,
                                 int64_t rows) {
    const int64_t depth = units_of<Type>(sizes_.features);
    // 1. Scores, and the gradients of the weights.
    multiply_tile<Type>(left(head.query, row), keys_across_, depth, rows, kTileColumns, scores_,
                        false);
    multiply_tile<Type>(left(head.gradient, row), values_across_, depth, rows, kTileColumns,
                        slopes_, false);
    // 2. Weights, and the gradients of the unscaled scores.
    for (int64_t r = 0; r < rows; ++r) soften_row(head, row + r, r, count);
    // 3. To queries, [rows, keys] [keys, D]; to keys and values, [keys, rows] [rows, D].
    const LeftRows across = {reinterpret_cast<const uint32_t*>(changes_),
                             kTileColumns / Type::kPerUnit, 1};
    const int64_t place = row / Type::kPerUnit * sizes_.features;
    add_panels(across, keys_down_, units_of<Type>(count), rows, to_query_ + row * kTileColumns,
               sizes_.query_rows(), key > 0);
    const int64_t row_units = units_of<Type>(rows);
    add_panels(turned(changes_, rows), queries_ + place, row_units, count, to_key_, kTileColumns,
               row > 0);
    add_panels(turned(weights_, rows), gradients_ + place, row_units, count, to_value_,
               kTileColumns, row > 0);
  }

  /// Row r of the block, query `row`; keys from `count` on do not exist.
  SDXL_AVX512 void soften_row(const Head& head, int64_t row, int64_t r, int64_t count) {
    const __m512 scale = _mm512_set1_ps(sizes_.scale);
    const __m512 offset = _mm512_set1_ps(-head.log_sum_exps[row]);
    const __m512 delta = _mm512_set1_ps(deltas_[row]);
    for (int64_t c = 0; c < kTileColumns; c += kLanes) {
      const int64_t place = r * kTileColumns + c;
      const __m512 weight = _mm512_maskz_mov_ps(
          lanes_below(count - c),
          exponential(_mm512_fmadd_ps(_mm512_load_ps(scores_ + place), scale, offset)));
      const __m512 slope = _mm512_sub_ps(_mm512_load_ps(slopes_ + place), delta);
      Type::store(weights_ + place, weight);
      Type::store(changes_ + place, _mm512_mul_ps(_mm512_mul_ps(weight, scale), slope));
    }
  }

  /// The transpose of a block [rows, 64].
  LeftRows turned(const Element* block, int64_t rows) {
    const Rows from{block, kTileColumns, rows, kTileColumns, Type::kPerUnit == 1};
    lay_out<Type>(from, true, 0, units_of<Type>(rows), 0, kTileColumns, turned_);
    return {turned_, 1, kTileColumns};
  }

  /// Each panel's sums = or += a [rows, depth] b [depth, columns]; panels of sums are `panel_rows`
  /// rows apart.
  void add_panels(const LeftRows& a, const uint32_t* b, int64_t depth, int64_t rows, float* sums,
                  int64_t panel_rows, bool add) {
    for (int64_t p = 0; p < sizes_.panels(); ++p) {
      multiply_tile<Type>(a, b, depth, rows, sizes_.panel_width(p), sums, add);
      b += depth * sizes_.panel_width(p);
      sums += panel_rows * kTileColumns;
    }
  }

  static LeftRows left(const Rows& rows, int64_t row) {
    return {reinterpret_cast<const uint32_t*>(rows.at<Element>(row, 0)),
            rows.stride / Type::kPerUnit, 1};
  }

  static Rows from_row(const Rows& rows, int64_t row) {
    return {rows.at<Element>(row, 0), rows.stride, rows.count - row, rows.width, rows.is_float};
  }

  SDXL_AVX512 void store(const Rows& to, int64_t row, int64_t rows, const float* sums,
                         int64_t panel_rows) {
    for (int64_t p = 0; p < sizes_.panels(); ++p) {
      for (int64_t r = 0; r < rows; ++r) {
        auto* line = const_cast<Element*>(to.at<Element>(row + r, p * kTileColumns));
        for (int64_t c = 0; c < sizes_.panel_width(p); c += kLanes) {
          Type::store(line + c, _mm512_load_ps(sums + (p * panel_rows + r) * kTileColumns + c));
        }
      }
    }
  }

  HeadSizes sizes_;
  Scratch memory_;
  uint32_t *queries_, *gradients_;          // [S, D] in blocks of queries, depth down the rows
  float *to_query_, *deltas_;               // panels of [S, 64]; [S]
  uint32_t *keys_across_, *values_across_;  // a tile of keys, depth along the features
  uint32_t* keys_down_;                     // the same tile, depth along the keys
  float *to_key_, *to_value_;               // panels of [64, 64]
  float *scores_, *slopes_;                 // [kBlockQueries, 64], as all below
  Element *weights_, *changes_;
  uint32_t* turned_;
};

template <typename Type>
AttentionGradients gradients_of(const at::Tensor& output_gradient, const at::Tensor& query,
                                const at::Tensor& key, const at::Tensor& value,
                                const AttentionResult& result, int64_t heads) {
  const int64_t batch = query.size(0), features = query.size(2) / heads;
  const HeadSizes sizes{query.size(1), key.size(1), features,
                        1.0f / std::sqrt(static_cast<float>(features))};
  const AttentionGradients gradients{at::empty(query.sizes(), query.options()),
                                     at::empty(key.sizes(), key.options()),
                                     at::empty(value.sizes(), value.options())};
  at::parallel_for(0, batch * heads, 1, [&](int64_t from, int64_t to) {
    HeadWork<Type> work(sizes);
    for (int64_t i = from; i < to; ++i) {
      const auto of = [&](const at::Tensor& tensor) {
        return head_of(tensor, i / heads, i % heads, features);
      };
      work.compute({of(query), of(key), of(value), of(result.output), of(output_gradient),
                    of(gradients.query), of(gradients.key), of(gradients.value),
                    result.log_sum_exps.const_data_ptr<float>() + i * sizes.queries});
    }
  });
  return gradients;
}

}  // namespace

AttentionGradients cpu_attention_backward(const at::Tensor& output_gradient,
                                          const at::Tensor& query, const at::Tensor& key,
                                          const at::Tensor& value, const AttentionResult& result,
                                          int64_t heads) {
  const auto compute =
      query.scalar_type() == at::kBFloat16 ? gradients_of<BFloat16> : gradients_of<Float32>;
  return compute(output_gradient, query, key, value, result, heads);
}

#else

AttentionGradients cpu_attention_backward(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                          const at::Tensor&, const AttentionResult&, int64_t) {
  return {};
}

#endif

}  // namespace sdxl
