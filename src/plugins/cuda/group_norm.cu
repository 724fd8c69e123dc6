// Group normalisation (and SiLU) of channels-last maps. A block has one thread for each 16 bytes of
// a cell's channels, times a few cells; a thread keeps its channels for all the cells it visits.
// Sums over cells are split over blocks, written out and added in a fixed order, so they are
// deterministic.
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/values.cuh"

namespace sdxl::kernels {
namespace {

constexpr int kThreadsWanted = 512, kMaxCellsAtOnce = 16, kMaxGroups = 128;
constexpr int64_t kMaxChannels = 2560, kMaxSplits = 128, kMaxBlocks = 1024;
constexpr int kMaxThreads = 640;  // of a block: kMaxChannels float32 values, 4 for each

/// The shape, and the partition of the work.
struct Plan {
  int groups;
  int64_t batch, cells, channels, group_channels;
  int64_t splits;  // parts of the cells, for sums
  float epsilon;
  dim3 block;       // channels / vector, cells at once
  dim3 sum_grid;    // splits, batch
  dim3 apply_grid;  // blocks over cells, batch
};

int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t greatest(int64_t a, int64_t b) { return a > b ? a : b; }

bool served(const sdxl_group_norm& shape) {
  return shape.type >= SDXL_FLOAT32 && shape.type <= SDXL_BFLOAT16 && shape.batch > 0 &&
         shape.batch <= 65535 && shape.cells > 0 && shape.channels > 0 &&
         shape.channels <= kMaxChannels && shape.channels % 8 == 0 && shape.groups > 0 &&
         shape.groups <= kMaxGroups && shape.channels % shape.groups == 0;
}

Plan make_plan(const sdxl_group_norm& shape) {
  const int64_t vector = shape.type == SDXL_FLOAT32 ? 4 : 8;
  const int64_t columns = shape.channels / vector;
  // Some cells at once, and at least a warp of threads.
  const int64_t at_once =
      greatest(greatest(1, kWarp / columns), least(kThreadsWanted / columns, kMaxCellsAtOnce));
  constexpr int64_t kCellsPerThread = 8;
  const int64_t share = greatest(1, kMaxBlocks / shape.batch);
  Plan plan{};
  plan.groups = shape.groups;
  plan.batch = shape.batch;
  plan.cells = shape.cells;
  plan.channels = shape.channels;
  plan.group_channels = shape.channels / shape.groups;
  plan.epsilon = shape.epsilon;
  plan.splits = least(ceil_div(shape.cells, at_once * kCellsPerThread), least(kMaxSplits, share));
  plan.block = dim3(static_cast<unsigned>(columns), static_cast<unsigned>(at_once));
  plan.sum_grid = dim3(static_cast<unsigned>(plan.splits), static_cast<unsigned>(shape.batch));
  plan.apply_grid = dim3(static_cast<unsigned>(least(ceil_div(shape.cells, at_once), share)),
                         static_cast<unsigned>(shape.batch));
  return plan;
}

template <typename T>
__device__ float sigmoid(float x) {
  if constexpr (sizeof(T) == 4) return 1.0f / (1.0f + expf(-x));
  return __fdividef(1.0f, 1.0f + __expf(-x));
}

/// This thread's part of a [batch, channels] row; zeros if the row is null.
template <typename T>
__device__ void row_values(const T* row, float (&values)[Vector<T>::kSize]) {
  for (int k = 0; k < Vector<T>::kSize; ++k) values[k] = 0.0f;
  if (row == nullptr) return;
  const Vector<T> vector = load(row);
  for (int k = 0; k < Vector<T>::kSize; ++k) values[k] = to_float(vector.values[k]);
}

/// The pivot of deviations, so that a large mean costs no precision.
template <typename T>
__device__ float pivot_of(const Plan& plan, const T* x, const T* shift, int64_t channel) {
  const int64_t first = channel / plan.group_channels * plan.group_channels;
  const float value = to_float(x[blockIdx.y * plan.cells * plan.channels + first]);
  return value + (shift == nullptr ? 0.0f : to_float(shift[blockIdx.y * plan.channels + first]));
}

/// Sums each channel's pairs over threadIdx.y into sums[channel]. `sums` has room for blockDim.y *
/// channels pairs.
template <int kSize>
__device__ void sum_over_rows(const Plan& plan, const float (&first)[kSize],
                              const float (&second)[kSize], float2* sums) {
  const int64_t column = int64_t{threadIdx.x} * kSize;
  for (int k = 0; k < kSize; ++k) {
    sums[threadIdx.y * plan.channels + column + k] = make_float2(first[k], second[k]);
  }
  __syncthreads();
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  for (int64_t c = thread; c < plan.channels; c += blockDim.x * blockDim.y) {
    float2 total = sums[c];
    for (unsigned row = 1; row < blockDim.y; ++row) {
      total.x += sums[row * plan.channels + c].x;
      total.y += sums[row * plan.channels + c].y;
    }
    sums[c] = total;
  }
  __syncthreads();
}

/// partials [batch, groups, splits]: sums of deviations from the pivot and of their squares.
template <typename T>
__global__ void __launch_bounds__(kMaxThreads)
    sum_groups(Plan plan, const T* __restrict__ x, const T* __restrict__ shift,
               float2* __restrict__ partials) {
  constexpr int kSize = Vector<T>::kSize;
  extern __shared__ float2 sums[];
  const int64_t column = int64_t{threadIdx.x} * kSize;
  const T* map = x + blockIdx.y * plan.cells * plan.channels + column;
  float moved[kSize], first[kSize] = {}, second[kSize] = {};
  row_values(shift == nullptr ? nullptr : shift + blockIdx.y * plan.channels + column, moved);
  for (int k = 0; k < kSize; ++k) moved[k] -= pivot_of(plan, x, shift, column + k);

#pragma unroll 4
  for (int64_t cell = blockIdx.x * blockDim.y + threadIdx.y; cell < plan.cells;
       cell += gridDim.x * blockDim.y) {
    const Vector<T> vector = load(map + cell * plan.channels);
    for (int k = 0; k < kSize; ++k) {
      const float deviation = to_float(vector.values[k]) + moved[k];
      first[k] += deviation;
      second[k] += deviation * deviation;
    }
  }
  sum_over_rows<kSize>(plan, first, second, sums);
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  for (int group = thread; group < plan.groups; group += blockDim.x * blockDim.y) {
    float2 total = make_float2(0.0f, 0.0f);
    for (int64_t c = 0; c < plan.group_channels; ++c) {
      total.x += sums[group * plan.group_channels + c].x;
      total.y += sums[group * plan.group_channels + c].y;
    }
    partials[(blockIdx.y * plan.groups + group) * plan.splits + blockIdx.x] = total;
  }
}

/// Mean and 1 / deviation of every group of this batch entry, from the partial sums, by warps.
template <typename T>
__device__ void finish_statistics(const Plan& plan, const T* x, const T* shift,
                                  const float2* partials, float* means, float* rstds) {
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const int lane = thread % kWarp;
  const int warps = static_cast<int>(blockDim.x * blockDim.y) / kWarp;
  if (thread / kWarp < warps) {  // whole warps only
    for (int group = thread / kWarp; group < plan.groups; group += warps) {
      const float2* row = partials + (blockIdx.y * plan.groups + group) * plan.splits;
      double first = 0, second = 0;
      for (int64_t i = lane; i < plan.splits; i += kWarp) {
        first += row[i].x;
        second += row[i].y;
      }
      first = warp_sum(first);
      second = warp_sum(second);
      if (lane != 0) continue;
      const double count = static_cast<double>(plan.group_channels) * plan.cells;
      const double deviation = first / count;
      const double variance = second / count - deviation * deviation;
      const float pivot = pivot_of(plan, x, shift, group * plan.group_channels);
      means[group] = static_cast<float>(pivot + deviation);
      rstds[group] = rsqrtf(static_cast<float>(variance > 0 ? variance : 0) + plan.epsilon);
    }
  }
  __syncthreads();
}

template <typename T, bool kSilu>
__global__ void __launch_bounds__(kMaxThreads)
    normalise(Plan plan, const T* __restrict__ x, const T* __restrict__ shift,
              const T* __restrict__ weight, const T* __restrict__ bias,
              const float2* __restrict__ partials, T* __restrict__ y, float* __restrict__ mean,
              float* __restrict__ rstd) {
  constexpr int kSize = Vector<T>::kSize;
  __shared__ float means[kMaxGroups], rstds[kMaxGroups];
  finish_statistics(plan, x, shift, partials, means, rstds);
  if (blockIdx.x == 0) {
    const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
    for (int group = thread; group < plan.groups; group += blockDim.x * blockDim.y) {
      mean[blockIdx.y * plan.groups + group] = means[group];
      rstd[blockIdx.y * plan.groups + group] = rstds[group];
    }
  }
  // y = x * scale + offset, with the weight, the bias and the shift in both.
  const int64_t column = int64_t{threadIdx.x} * kSize;
  float scale[kSize], offset[kSize], moved[kSize];
  row_values(weight + column, scale);
  row_values(bias + column, offset);
  row_values(shift == nullptr ? nullptr : shift + blockIdx.y * plan.channels + column, moved);
  for (int k = 0; k < kSize; ++k) {
    const int64_t group = (column + k) / plan.group_channels;
    scale[k] *= rstds[group];
    offset[k] += (moved[k] - means[group]) * scale[k];
  }
  const int64_t begin = blockIdx.y * plan.cells * plan.channels + column;
#pragma unroll 4
  for (int64_t cell = blockIdx.x * blockDim.y + threadIdx.y; cell < plan.cells;
       cell += gridDim.x * blockDim.y) {
    const Vector<T> vector = load(x + begin + cell * plan.channels);
    Vector<T> result;
    for (int k = 0; k < kSize; ++k) {
      float value = to_float(vector.values[k]) * scale[k] + offset[k];
      if (kSilu) value *= sigmoid<T>(value);
      result.values[k] = from_float<T>(value);
    }
    store(y + begin + cell * plan.channels, result);
  }
}

/// A thread's values for the backward pass of its channels: z = x * rstd + center, u = z * weight +
/// bias.
template <typename T>
struct Channels {
  static constexpr int kSize = Vector<T>::kSize;
  float rstd[kSize], center[kSize], weight[kSize], bias[kSize];

  __device__ Channels(const Plan& plan, const T* shift, const T* weights, const T* biases,
                      const float* means, const float* rstds) {
    const int64_t column = int64_t{threadIdx.x} * kSize;
    float moved[kSize];
    row_values(weights + column, weight);
    row_values(biases + column, bias);
    row_values(shift == nullptr ? nullptr : shift + blockIdx.y * plan.channels + column, moved);
    for (int k = 0; k < kSize; ++k) {
      const int64_t group = blockIdx.y * plan.groups + (column + k) / plan.group_channels;
      rstd[k] = rstds[group];
      center[k] = (moved[k] - means[group]) * rstds[group];
    }
  }

  /// The gradient of u from the output's gradient.
  template <bool kSilu>
  __device__ float before_silu(float gradient, float z, int k) const {
    if (!kSilu) return gradient;
    const float u = z * weight[k] + bias[k], s = sigmoid<T>(u);
    return gradient * s * (1.0f + u * (1.0f - s));
  }
};

/// partials [batch, splits, channels]: sums over cells of u's gradient and of u's gradient times z.
template <typename T, bool kSilu>
__global__ void __launch_bounds__(kMaxThreads)
    sum_gradients(Plan plan, const T* __restrict__ gradient, const T* __restrict__ x,
                  const T* __restrict__ shift, const T* __restrict__ weight,
                  const T* __restrict__ bias, const float* __restrict__ mean,
                  const float* __restrict__ rstd, float2* __restrict__ partials) {
  constexpr int kSize = Vector<T>::kSize;
  extern __shared__ float2 sums[];
  const Channels<T> channels(plan, shift, weight, bias, mean, rstd);
  const int64_t column = int64_t{threadIdx.x} * kSize;
  const int64_t begin = blockIdx.y * plan.cells * plan.channels + column;
  float first[kSize] = {}, second[kSize] = {};
#pragma unroll 2
  for (int64_t cell = blockIdx.x * blockDim.y + threadIdx.y; cell < plan.cells;
       cell += gridDim.x * blockDim.y) {
    const Vector<T> values = load(x + begin + cell * plan.channels);
    const Vector<T> gradients = load(gradient + begin + cell * plan.channels);
    for (int k = 0; k < kSize; ++k) {
      const float z = to_float(values.values[k]) * channels.rstd[k] + channels.center[k];
      const float g = channels.template before_silu<kSilu>(to_float(gradients.values[k]), z, k);
      first[k] += g;
      second[k] += g * z;
    }
  }
  sum_over_rows<kSize>(plan, first, second, sums);
  float2* row = partials + (blockIdx.y * plan.splits + blockIdx.x) * plan.channels;
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  for (int64_t c = thread; c < plan.channels; c += blockDim.x * blockDim.y) row[c] = sums[c];
}

constexpr int kSumRows = 8;

/// totals [batch, channels] from the partial sums, and from these the gradients of weight and bias.
__global__ void __launch_bounds__(kWarp* kSumRows)
    finish_gradients(Plan plan, const float2* __restrict__ partials, float2* __restrict__ totals,
                     float* __restrict__ weight_gradient, float* __restrict__ bias_gradient) {
  __shared__ float2 rows[kSumRows][kWarp];
  const int64_t channel = int64_t{blockIdx.x} * kWarp + threadIdx.x;
  float2 all = make_float2(0.0f, 0.0f);
  for (int64_t b = 0; b < plan.batch; ++b) {
    float2 sum = make_float2(0.0f, 0.0f);
    for (int64_t split = threadIdx.y; split < plan.splits && channel < plan.channels;
         split += kSumRows) {
      const float2 part = partials[(b * plan.splits + split) * plan.channels + channel];
      sum.x += part.x;
      sum.y += part.y;
    }
    rows[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && channel < plan.channels) {
      for (int row = 1; row < kSumRows; ++row) {
        sum.x += rows[row][threadIdx.x].x;
        sum.y += rows[row][threadIdx.x].y;
      }
      totals[b * plan.channels + channel] = sum;
      all.x += sum.x;
      all.y += sum.y;
    }
    __syncthreads();
  }
  if (threadIdx.y != 0 || channel >= plan.channels || weight_gradient == nullptr) return;
  weight_gradient[channel] = all.y;
  bias_gradient[channel] = all.x;
}

/// The gradient of x: rstd * (g * weight - (s + z * t) / n) with the group's sums s of g * weight
/// and t of g * weight * z.
template <typename T, bool kSilu>
__global__ void __launch_bounds__(kMaxThreads)
    apply_gradients(Plan plan, const T* __restrict__ gradient, const T* __restrict__ x,
                    const T* __restrict__ shift, const T* __restrict__ weight,
                    const T* __restrict__ bias, const float* __restrict__ mean,
                    const float* __restrict__ rstd, const float2* __restrict__ totals,
                    T* __restrict__ x_gradient) {
  constexpr int kSize = Vector<T>::kSize;
  __shared__ float2 group_sums[kMaxGroups];
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const float count = static_cast<float>(plan.group_channels) * static_cast<float>(plan.cells);
  for (int group = thread; group < plan.groups; group += blockDim.x * blockDim.y) {
    float2 sum = make_float2(0.0f, 0.0f);
    for (int64_t i = 0; i < plan.group_channels; ++i) {
      const int64_t c = group * plan.group_channels + i;
      const float2 total = totals[blockIdx.y * plan.channels + c];
      const float w = to_float(weight[c]);
      sum.x += w * total.x;
      sum.y += w * total.y;
    }
    group_sums[group] = make_float2(sum.x / count, sum.y / count);
  }
  __syncthreads();

  const Channels<T> channels(plan, shift, weight, bias, mean, rstd);
  const int64_t column = int64_t{threadIdx.x} * kSize;
  const int64_t begin = blockIdx.y * plan.cells * plan.channels + column;
  float2 sums[kSize];
  for (int k = 0; k < kSize; ++k) sums[k] = group_sums[(column + k) / plan.group_channels];
#pragma unroll 2
  for (int64_t cell = blockIdx.x * blockDim.y + threadIdx.y; cell < plan.cells;
       cell += gridDim.x * blockDim.y) {
    const Vector<T> values = load(x + begin + cell * plan.channels);
    const Vector<T> gradients = load(gradient + begin + cell * plan.channels);
    Vector<T> result;
    for (int k = 0; k < kSize; ++k) {
      const float z = to_float(values.values[k]) * channels.rstd[k] + channels.center[k];
      const float g = channels.template before_silu<kSilu>(to_float(gradients.values[k]), z, k);
      result.values[k] =
          from_float<T>(channels.rstd[k] * (g * channels.weight[k] - (sums[k].x + z * sums[k].y)));
    }
    store(x_gradient + begin + cell * plan.channels, result);
  }
}

size_t shared_bytes(const Plan& plan) {
  return plan.block.y * static_cast<size_t>(plan.channels) * sizeof(float2);
}

template <typename T, bool kSilu>
int run_forward(const Plan& plan, const void* x, const void* shift, const void* weight,
                const void* bias, void* y, float* mean, float* rstd, float* workspace,
                cudaStream_t stream) {
  const auto* from = static_cast<const T*>(x);
  const auto* row = static_cast<const T*>(shift);
  auto* partials = reinterpret_cast<float2*>(workspace);
  sum_groups<T>
      <<<plan.sum_grid, plan.block, shared_bytes(plan), stream>>>(plan, from, row, partials);
  normalise<T, kSilu><<<plan.apply_grid, plan.block, 0, stream>>>(
      plan, from, row, static_cast<const T*>(weight), static_cast<const T*>(bias), partials,
      static_cast<T*>(y), mean, rstd);
  return launched();
}

template <typename T, bool kSilu>
int run_backward(const Plan& plan, const void* gradient, const void* x, const void* shift,
                 const void* weight, const void* bias, const float* mean, const float* rstd,
                 void* x_gradient, float* weight_gradient, float* bias_gradient, float* workspace,
                 cudaStream_t stream) {
  const auto* out = static_cast<const T*>(gradient);
  const auto* from = static_cast<const T*>(x);
  const auto* row = static_cast<const T*>(shift);
  const auto* weights = static_cast<const T*>(weight);
  const auto* biases = static_cast<const T*>(bias);
  auto* partials = reinterpret_cast<float2*>(workspace);
  float2* totals = partials + plan.batch * plan.splits * plan.channels;
  sum_gradients<T, kSilu><<<plan.sum_grid, plan.block, shared_bytes(plan), stream>>>(
      plan, out, from, row, weights, biases, mean, rstd, partials);
  finish_gradients<<<ceil_div(plan.channels, kWarp), dim3(kWarp, kSumRows), 0, stream>>>(
      plan, partials, totals, weight_gradient, bias_gradient);
  apply_gradients<T, kSilu><<<plan.apply_grid, plan.block, 0, stream>>>(
      plan, out, from, row, weights, biases, mean, rstd, totals, static_cast<T*>(x_gradient));
  return launched();
}

}  // namespace

int64_t group_norm_workspace(const sdxl_group_norm* shape) {
  if (!served(*shape)) return 0;
  const Plan plan = make_plan(*shape);
  const int64_t forward = plan.batch * plan.groups * plan.splits;
  const int64_t backward = plan.batch * plan.channels * (plan.splits + 1);
  return 2 * greatest(forward, backward);
}

int group_norm_forward(const sdxl_group_norm* shape, const void* x, const void* shift,
                       const void* weight, const void* bias, void* y, float* mean, float* rstd,
                       float* workspace, void* stream) {
  if (!served(*shape)) return -1;
  const Plan plan = make_plan(*shape);
  return with_type(shape->type, [&](auto zero) {
    using T = decltype(zero);
    const auto run = shape->silu ? run_forward<T, true> : run_forward<T, false>;
    return run(plan, x, shift, weight, bias, y, mean, rstd, workspace,
               static_cast<cudaStream_t>(stream));
  });
}

int group_norm_backward(const sdxl_group_norm* shape, const void* gradient, const void* x,
                        const void* shift, const void* weight, const void* bias, const float* mean,
                        const float* rstd, void* x_gradient, float* weight_gradient,
                        float* bias_gradient, float* workspace, void* stream) {
  if (!served(*shape)) return -1;
  const Plan plan = make_plan(*shape);
  return with_type(shape->type, [&](auto zero) {
    using T = decltype(zero);
    const auto run = shape->silu ? run_backward<T, true> : run_backward<T, false>;
    return run(plan, gradient, x, shift, weight, bias, mean, rstd, x_gradient, weight_gradient,
               bias_gradient, workspace, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace sdxl::kernels
