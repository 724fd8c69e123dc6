#include "kernels/cpu/group_norm.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/float_blocks.h"

namespace sdxl {
namespace {

/// Rows (cells of the feature map) whose sums are taken together.
constexpr int64_t kRowBlock = 64;

int64_t blocks_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

/// Sums of x - pivot and of its square over `rows` rows of each channel.
template <typename T>
SDXL_SIMD void sum_rows(const T* rows, int64_t count, int64_t channels, const float* pivot,
                        float* __restrict sums, float* __restrict squares) {
  std::fill_n(sums, channels, 0.0f);
  std::fill_n(squares, channels, 0.0f);
  for (int64_t r = 0; r < count; ++r) {
    const T* row = rows + r * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float x = widened(row[c]) - pivot[c];
      sums[c] += x;
      squares[c] += x * x;
    }
  }
}

/// to = from * scale + offset for each channel, and its SiLU.
template <typename T, bool kSilu>
SDXL_SIMD void scale_rows(const T* from, T* __restrict to, int64_t count, int64_t channels,
                          const float* scale, const float* offset) {
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < channels; ++c) {
      float y = widened(from[c]) * scale[c] + offset[c];
      if constexpr (kSilu) y = y * fast_sigmoid(y);
      narrow(y, to + c);
    }
    from += channels;
    to += channels;
  }
}

/// What turns a channel's values into normalised ones, and those into the output.
struct ChannelFactors {
  const float* scale;  // normalised = x * scale + offset
  const float* offset;
  const float* weight;  // output = normalised * weight + bias
  const float* bias;
};

/// The gradient before SiLU, of one value.
template <bool kSilu>
inline float before_activation(float gradient, float normalised, float weight, float bias) {
  if constexpr (!kSilu) return gradient;
  const float y = normalised * weight + bias;
  const float sigmoid = fast_sigmoid(y);
  return gradient * (sigmoid * (1.0f + y * (1.0f - sigmoid)));
}

/// Sums over rows of each channel's gradient, gradient * normalised value, and normalised value.
template <typename T, bool kSilu>
SDXL_SIMD void sum_gradients(const T* gradients, const T* rows, int64_t count, int64_t channels,
                             ChannelFactors factors, float* __restrict plain,
                             float* __restrict weighted, float* __restrict normalised) {
  for (float* sums : {plain, weighted, normalised}) std::fill_n(sums, channels, 0.0f);
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < channels; ++c) {
      const float x = widened(rows[c]) * factors.scale[c] + factors.offset[c];
      const float gradient =
          before_activation<kSilu>(widened(gradients[c]), x, factors.weight[c], factors.bias[c]);
      plain[c] += gradient;
      weighted[c] += gradient * x;
      normalised[c] += x;
    }
    gradients += channels;
    rows += channels;
  }
}

/// to = factor * gradient + slope * normalised + constant for each channel.
template <typename T, bool kSilu>
SDXL_SIMD void spread_gradients(const T* gradients, const T* rows, T* __restrict to, int64_t count,
                                int64_t channels, ChannelFactors factors, const float* factor,
                                const float* slope, const float* constant) {
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < channels; ++c) {
      const float x = widened(rows[c]) * factors.scale[c] + factors.offset[c];
      const float gradient =
          before_activation<kSilu>(widened(gradients[c]), x, factors.weight[c], factors.bias[c]);
      narrow(factor[c] * gradient + slope[c] * x + constant[c], to + c);
    }
    gradients += channels;
    rows += channels;
    to += channels;
  }
}

/// Partial sums of all blocks of one picture to mean and variance of each group. `pivot` + `shift`
/// is what the channel's sums lack.
void combine(const float* partial, int64_t blocks, int64_t rows, int64_t channels, int64_t groups,
             const float* pivot, const float* shift, double* means, double* variances) {
  const int64_t width = channels / groups;
  const auto count = static_cast<double>(rows);
  std::vector<double> channel_means(width);
  for (int64_t g = 0; g < groups; ++g) {
    double mean = 0, spread = 0;
    for (int64_t i = 0; i < width; ++i) {
      const int64_t c = g * width + i;
      double sum = 0, square = 0;
      for (int64_t b = 0; b < blocks; ++b) {
        sum += partial[b * 2 * channels + c];
        square += partial[(b * 2 + 1) * channels + c];
      }
      channel_means[i] = sum / count + pivot[c] + shift[c];
      mean += channel_means[i] / static_cast<double>(width);
      spread += std::max(0.0, square - sum * sum / count);
    }
    for (double channel : channel_means) spread += count * (channel - mean) * (channel - mean);
    means[g] = mean;
    variances[g] = spread / (count * static_cast<double>(width));
  }
}

at::Tensor as_floats(const at::Tensor& tensor) { return tensor.to(at::kFloat).contiguous(); }

template <typename T>
NormalisedMap group_norm_forward_as(const at::Tensor& input, const at::Tensor& shift,
                                    const at::Tensor& weight, const at::Tensor& bias,
                                    const GroupNormOptions& options) {
  const int64_t batch = input.size(0), channels = input.size(1), groups = options.groups;
  const int64_t rows = input.size(2) * input.size(3), width = channels / groups;
  const int64_t blocks = blocks_of(rows, kRowBlock);
  NormalisedMap result{at::empty_like(input), at::empty({batch, groups}, at::kFloat),
                       at::empty({batch, groups}, at::kFloat)};
  const T* from = input.const_data_ptr<T>();
  T* to = result.output.data_ptr<T>();

  // 1. Sums of each block of rows, less the first row's value, which keeps digits.
  const at::Tensor pivots = as_floats(input.select(2, 0).select(2, 0));  // [B, C]
  const at::Tensor shifts = shift.defined() ? as_floats(shift) : at::zeros_like(pivots);
  at::Tensor partial = at::empty({batch, blocks, 2, channels}, at::kFloat);
  float* sums = partial.data_ptr<float>();
  const float* pivot = pivots.const_data_ptr<float>();
  at::parallel_for(0, batch * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / blocks, first = i % blocks * kRowBlock;
      sum_rows(from + (b * rows + first) * channels, std::min(kRowBlock, rows - first), channels,
               pivot + b * channels, sums + i * 2 * channels, sums + (i * 2 + 1) * channels);
    }
  });

  // 2. Each channel's factor and offset.
  at::Tensor factors = at::empty({2, batch, channels}, at::kFloat);
  float* scale = factors.data_ptr<float>();
  float* offset = scale + batch * channels;
  const at::Tensor weights = as_floats(weight), biases = as_floats(bias);
  const float* weight_data = weights.const_data_ptr<float>();
  const float* bias_data = biases.const_data_ptr<float>();
  const float* shift_data = shifts.const_data_ptr<float>();
  std::vector<double> means(groups), variances(groups);
  for (int64_t b = 0; b < batch; ++b) {
    combine(sums + b * blocks * 2 * channels, blocks, rows, channels, groups, pivot + b * channels,
            shift_data + b * channels, means.data(), variances.data());
    for (int64_t g = 0; g < groups; ++g) {
      const double rstd = 1.0 / std::sqrt(variances[g] + options.eps);
      result.mean.data_ptr<float>()[b * groups + g] = static_cast<float>(means[g]);
      result.rstd.data_ptr<float>()[b * groups + g] = static_cast<float>(rstd);
      for (int64_t c = g * width; c < (g + 1) * width; ++c) {
        const double factor = rstd * weight_data[c];
        scale[b * channels + c] = static_cast<float>(factor);
        offset[b * channels + c] =
            static_cast<float>(bias_data[c] + (shift_data[b * channels + c] - means[g]) * factor);
      }
    }
  }

  // 3. The output.
  at::parallel_for(0, batch * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / blocks, first = i % blocks * kRowBlock;
      const int64_t place = (b * rows + first) * channels,
                    count = std::min(kRowBlock, rows - first);
      const auto apply = options.silu ? scale_rows<T, true> : scale_rows<T, false>;
      apply(from + place, to + place, count, channels, scale + b * channels, offset + b * channels);
    }
  });
  return result;
}

/// The sums of each channel of each picture, blocks added in order, [B, 3, C].
template <typename T>
std::vector<double> gradient_sums(const T* gradient, const T* from, int64_t batch, int64_t rows,
                                  int64_t channels, bool silu,
                                  const std::vector<ChannelFactors>& factors) {
  const int64_t blocks = blocks_of(rows, kRowBlock);
  const at::Tensor partial = at::empty({batch, blocks, 3, channels}, at::kFloat);
  float* partial_sums = partial.data_ptr<float>();
  at::parallel_for(0, batch * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / blocks, first = i % blocks * kRowBlock;
      const int64_t place = (b * rows + first) * channels;
      float* own = partial_sums + i * 3 * channels;
      const auto sum = silu ? sum_gradients<T, true> : sum_gradients<T, false>;
      sum(gradient + place, from + place, std::min(kRowBlock, rows - first), channels, factors[b],
          own, own + channels, own + 2 * channels);
    }
  });
  std::vector<double> sums(batch * 3 * channels);
  for (int64_t i = 0; i < batch * blocks; ++i) {
    double* to = sums.data() + i / blocks * 3 * channels;
    for (int64_t k = 0; k < 3 * channels; ++k) to[k] += partial_sums[i * 3 * channels + k];
  }
  return sums;
}

/// From the sums of one picture [3, C] what makes gradients of the input, [3, C]: factor * gradient
/// + slope * normalised + constant.
void find_coefficients(const double* sums, const float* scale, const float* weight, int64_t rows,
                       int64_t channels, int64_t groups, float* coefficients) {
  const int64_t width = channels / groups;
  const double count = static_cast<double>(rows * width);
  for (int64_t g = 0; g < groups; ++g) {
    double plain = 0, weighted = 0;
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      plain += sums[c] * weight[c];
      weighted += sums[channels + c] * weight[c];
    }
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      coefficients[c] = scale[c] * weight[c];
      coefficients[channels + c] = static_cast<float>(-scale[c] * (weighted / count));
      coefficients[2 * channels + c] = static_cast<float>(-scale[c] * (plain / count));
    }
  }
}

template <typename T>
GroupNormGradients group_norm_backward_as(const at::Tensor& gradient, const at::Tensor& input,
                                          const at::Tensor& shift, const at::Tensor& weight,
                                          const at::Tensor& bias, const at::Tensor& mean,
                                          const at::Tensor& rstd, const GroupNormOptions& options) {
  const int64_t batch = input.size(0), channels = input.size(1), groups = options.groups;
  const int64_t rows = input.size(2) * input.size(3), width = channels / groups;
  GroupNormGradients result;
  result.input = at::empty_like(input);

  // 1. normalised = x * scale + offset.
  const at::Tensor shifts = shift.defined() ? as_floats(shift) : at::Tensor();
  const at::Tensor weights = as_floats(weight), biases = as_floats(bias);
  std::vector<float> scale(batch * channels), offset(batch * channels);
  std::vector<ChannelFactors> factors;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t i = b * channels + c, group = b * groups + c / width;
      const float moved = shifts.defined() ? shifts.const_data_ptr<float>()[i] : 0.0f;
      scale[i] = rstd.const_data_ptr<float>()[group];
      offset[i] = (moved - mean.const_data_ptr<float>()[group]) * scale[i];
    }
    factors.push_back({scale.data() + b * channels, offset.data() + b * channels,
                       weights.const_data_ptr<float>(), biases.const_data_ptr<float>()});
  }

  // 2. Sums of each channel, and what they say of weight, bias, groups and shift.
  const T* from = input.const_data_ptr<T>();
  const T* gradients = gradient.const_data_ptr<T>();
  const std::vector<double> sums =
      gradient_sums<T>(gradients, from, batch, rows, channels, options.silu, factors);
  std::vector<float> coefficients(batch * 3 * channels);
  at::Tensor to_weight = at::zeros({2, channels}, at::kDouble);  // and to bias
  at::Tensor to_shift = at::empty({batch, channels}, at::kFloat);
  for (int64_t b = 0; b < batch; ++b) {
    const double* own = sums.data() + b * 3 * channels;
    float* factor = coefficients.data() + b * 3 * channels;
    find_coefficients(own, factors[b].scale, factors[b].weight, rows, channels, groups, factor);
    for (int64_t c = 0; c < channels; ++c) {
      to_weight.data_ptr<double>()[c] += own[channels + c];
      to_weight.data_ptr<double>()[channels + c] += own[c];
      to_shift.data_ptr<float>()[b * channels + c] = static_cast<float>(
          factor[c] * own[c] + factor[channels + c] * own[2 * channels + c] +
          static_cast<double>(factor[2 * channels + c]) * static_cast<double>(rows));
    }
  }
  result.weight = to_weight[0].to(weight.scalar_type());
  result.bias = to_weight[1].to(bias.scalar_type());
  if (shift.defined()) result.shift = to_shift.to(shift.scalar_type());

  // 3. The input's gradient.
  const int64_t blocks = blocks_of(rows, kRowBlock);
  T* to = result.input.data_ptr<T>();
  at::parallel_for(0, batch * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / blocks, first = i % blocks * kRowBlock;
      const int64_t place = (b * rows + first) * channels;
      const float* own = coefficients.data() + b * 3 * channels;
      const auto spread = options.silu ? spread_gradients<T, true> : spread_gradients<T, false>;
      spread(gradients + place, from + place, to + place, std::min(kRowBlock, rows - first),
             channels, factors[b], own, own + channels, own + 2 * channels);
    }
  });
  return result;
}

}  // namespace

NormalisedMap group_norm_forward(const at::Tensor& input, const at::Tensor& shift,
                                 const at::Tensor& weight, const at::Tensor& bias,
                                 const GroupNormOptions& options) {
  const at::Tensor map = input.contiguous(at::MemoryFormat::ChannelsLast);
  if (map.scalar_type() == at::kBFloat16) {
    return group_norm_forward_as<at::BFloat16>(map, shift, weight, bias, options);
  }
  return group_norm_forward_as<float>(map, shift, weight, bias, options);
}

GroupNormGradients group_norm_backward(const at::Tensor& output_gradient, const at::Tensor& input,
                                       const at::Tensor& shift, const at::Tensor& weight,
                                       const at::Tensor& bias, const at::Tensor& mean,
                                       const at::Tensor& rstd, const GroupNormOptions& options) {
  const at::Tensor map = input.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor gradient = output_gradient.contiguous(at::MemoryFormat::ChannelsLast);
  const auto backward = map.scalar_type() == at::kBFloat16 ? group_norm_backward_as<at::BFloat16>
                                                           : group_norm_backward_as<float>;
  return backward(gradient, map, shift, weight, bias, mean, rstd, options);
}

}  // namespace sdxl
