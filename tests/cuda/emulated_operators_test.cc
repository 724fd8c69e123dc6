// The CUDA plugin's kernels, emulated on the CPU: group norm and GEGLU against ATen in float64,
// AdamW bit for bit against the CPU's optimizers.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/random.h"
#include "plugins/cuda/kernels.h"
#include "training/optimizers/block_loop.h"
#include "training/optimizers/dynamic_map.h"
#include "training/optimizers/registry.h"

namespace sdxl {
namespace {

int32_t type_of(at::ScalarType type) {
  return type == at::kFloat ? SDXL_FLOAT32 : type == at::kHalf ? SDXL_FLOAT16 : SDXL_BFLOAT16;
}

double tolerance(at::ScalarType type) {
  return type == at::kFloat ? 2e-5 : type == at::kHalf ? 8e-3 : 6e-2;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

at::Tensor map_of(at::IntArrayRef sizes, at::ScalarType type) {
  return at::randn(sizes).to(type).contiguous(at::MemoryFormat::ChannelsLast);
}

struct Norm {
  at::Tensor x, shift, weight, bias, gradient;
  sdxl_group_norm shape;

  Norm(std::array<int64_t, 5> sizes, at::ScalarType type, bool silu) {
    const auto [batch, channels, height, width, groups] = sizes;
    at::manual_seed(1);
    x = (map_of({batch, channels, height, width}, type) + 5)
            .contiguous(at::MemoryFormat::ChannelsLast);
    if (silu) shift = at::randn({batch, channels}).to(type);
    weight = at::randn({channels}).to(type);
    bias = at::randn({channels}).to(type);
    gradient = map_of(x.sizes(), type);
    shape = {type_of(type), static_cast<int32_t>(groups), batch, height * width, channels, 1e-5f,
             silu ? 1 : 0};
  }

  const void* shift_pointer() const { return shift.defined() ? shift.const_data_ptr() : nullptr; }

  /// A float64 leaf that requires a gradient.
  at::Tensor exact(const std::vector<at::Tensor>& leaves) const {
    at::Tensor input = leaves[0];
    if (shift.defined()) input = input + shift.to(at::kDouble).unsqueeze(-1).unsqueeze(-1);
    const at::Tensor normed = at::group_norm(input, shape.groups, leaves[1], leaves[2], 1e-5);
    return shape.silu != 0 ? at::silu(normed) : normed;
  }
};

void check_group_norm(std::array<int64_t, 5> sizes, at::ScalarType type, bool silu) {
  const Norm norm(sizes, type, silu);
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& tensor : {norm.x, norm.weight, norm.bias}) {
    leaves.push_back(tensor.to(at::kDouble).set_requires_grad(true));
  }
  const at::Tensor expected = norm.exact(leaves);
  expected.backward(norm.gradient.to(at::kDouble));

  const at::Tensor y = at::empty_like(norm.x), to_x = at::empty_like(norm.x);
  const at::Tensor mean = at::empty({sizes[0], sizes[4]}), rstd = at::empty_like(mean);
  const at::Tensor to_weight = at::empty({sizes[1]}), to_bias = at::empty({sizes[1]});
  const at::Tensor workspace = at::empty({kernels::group_norm_workspace(&norm.shape)});
  ASSERT_GT(workspace.numel(), 0);
  ASSERT_EQ(
      kernels::group_norm_forward(&norm.shape, norm.x.const_data_ptr(), norm.shift_pointer(),
                                  norm.weight.const_data_ptr(), norm.bias.const_data_ptr(),
                                  y.mutable_data_ptr(), mean.data_ptr<float>(),
                                  rstd.data_ptr<float>(), workspace.data_ptr<float>(), nullptr),
      0);
  EXPECT_LT(difference(y, expected), tolerance(type)) << type << sizes[1];
  ASSERT_EQ(kernels::group_norm_backward(
                &norm.shape, norm.gradient.const_data_ptr(), norm.x.const_data_ptr(),
                norm.shift_pointer(), norm.weight.const_data_ptr(), norm.bias.const_data_ptr(),
                mean.data_ptr<float>(), rstd.data_ptr<float>(), to_x.mutable_data_ptr(),
                to_weight.data_ptr<float>(), to_bias.data_ptr<float>(), workspace.data_ptr<float>(),
                nullptr),
            0);
  EXPECT_LT(difference(to_x, leaves[0].grad()), tolerance(type)) << type << sizes[1];
  const double scale = std::max(1.0, leaves[1].grad().abs().max().item<double>());
  EXPECT_LT(difference(to_weight, leaves[1].grad()) / scale, 1e-4) << type << sizes[1];
  EXPECT_LT(difference(to_bias, leaves[2].grad()) / scale, 1e-4) << type << sizes[1];
}

TEST(EmulatedCudaOperators, GroupNormMatchesAten) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    check_group_norm({2, 64, 5, 7, 16}, type, true);
    check_group_norm({1, 320, 6, 6, 32}, type, false);
  }
  check_group_norm({3, 8, 3, 3, 2}, at::kHalf, true);
  check_group_norm({1, 2560, 3, 3, 32}, at::kHalf, true);
  check_group_norm({1, 16, 40, 40, 4}, at::kFloat, true);
}

TEST(EmulatedCudaOperators, GegluMatchesAten) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const at::Tensor x = at::randn({5, 2 * 80}).to(type), gradient = at::randn({5, 80}).to(type);
    const at::Tensor exact = x.to(at::kDouble).set_requires_grad(true);
    const auto halves = exact.chunk(2, -1);
    const at::Tensor expected = halves[0] * at::gelu(halves[1]);
    expected.backward(gradient.to(at::kDouble));
    const at::Tensor y = at::empty_like(gradient), to_x = at::empty_like(x);
    ASSERT_EQ(kernels::geglu_forward(type_of(type), 5, 80, x.const_data_ptr(), y.mutable_data_ptr(),
                                     nullptr),
              0);
    ASSERT_EQ(kernels::geglu_backward(type_of(type), 5, 80, gradient.const_data_ptr(),
                                      x.const_data_ptr(), to_x.mutable_data_ptr(), nullptr),
              0);
    EXPECT_LT(difference(y, expected), 2 * tolerance(type)) << type;
    EXPECT_LT(difference(to_x, exact.grad()), 2 * tolerance(type)) << type;
  }
}

constexpr double kRate = 1e-3, kDecay = 1e-2;

ParameterGroup random_group(at::ScalarType value, at::ScalarType gradient) {
  ParameterGroup group{"unet", kRate, kDecay, {}};
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(7);
  for (const int64_t size : {3, 300, 5000}) {
    TrainedTensor tensor{std::to_string(size), at::randn({size}, generator).to(value), {}};
    if (value == at::kFloat && gradient != at::kFloat) tensor.working = tensor.value.to(gradient);
    group.tensors.push_back(tensor);
  }
  return group;
}

/// Runs a step of `optimizer` on the CPU and of the kernel on copies, and compares the results.
void check_adamw(const std::string& name, at::ScalarType value, at::ScalarType gradient) {
  OptimizerOptions options;
  options.seed = 5;
  const auto optimizer = make_optimizer(name, {random_group(value, gradient)}, options);
  const ParameterGroup copy = random_group(value, gradient);
  std::map<std::string, at::Tensor> states;
  for (const auto& [key, state] : optimizer->state()) states[key] = state.clone();
  const bool eight_bits = name == "adamw8bit";

  for (int64_t taken = 1; taken <= 3; ++taken) {
    std::vector<at::Tensor> gradients;
    for (const TrainedTensor& tensor : copy.tensors) {
      gradients.push_back(at::randn(tensor.value.sizes()).to(gradient));
    }
    optimizer->step(gradients, {1.0, 0.5});
    sdxl_adamw_step step{};
    step.gradient_scale = 0.5f;
    step.beta1 = 0.9f;
    step.one_minus_beta1 = static_cast<float>(1.0 - 0.9);
    step.beta2 = 0.999f;
    step.one_minus_beta2 = static_cast<float>(1.0 - 0.999);
    step.correction2_sqrt = static_cast<float>(std::sqrt(1.0 - std::pow(0.999, taken)));
    step.epsilon = 1e-8f;
    step.lerp = eight_bits ? 0 : 1;
    if (eight_bits) step.signed_values = signed_dynamic_map().values().data();
    if (eight_bits) step.unsigned_values = unsigned_dynamic_map().values().data();
    std::vector<sdxl_adamw_tensor> tensors;
    for (size_t i = 0; i < gradients.size(); ++i) {
      const TrainedTensor& tensor = copy.tensors[i];
      sdxl_adamw_tensor fused{};
      fused.size = tensor.value.numel();
      fused.weight = tensor.value.mutable_data_ptr();
      fused.weight_type = type_of(value);
      if (tensor.working.defined()) {
        fused.working = tensor.working.mutable_data_ptr();
        fused.working_type = type_of(tensor.working.scalar_type());
      }
      fused.gradient = gradients[i].const_data_ptr();
      fused.gradient_type = type_of(gradient);
      fused.mean = states.at("exp_avg." + tensor.name).mutable_data_ptr();
      fused.variance = states.at("exp_avg_sq." + tensor.name).mutable_data_ptr();
      if (states.count("exp_avg_absmax." + tensor.name) != 0) {
        fused.mean_scales = states.at("exp_avg_absmax." + tensor.name).data_ptr<float>();
        fused.variance_scales = states.at("exp_avg_sq_absmax." + tensor.name).data_ptr<float>();
      }
      fused.decay = static_cast<float>(1.0 - kRate * kDecay);
      fused.step_size = static_cast<float>(kRate / (1.0 - std::pow(0.9, taken)));
      fused.rounding_seed = element_seed(stream_seed(5, Stream::kWeights, taken), i);
      tensors.push_back(fused);
    }
    ASSERT_EQ(kernels::adamw(&step, tensors.data(), std::ssize(tensors), nullptr), 0);
  }
  for (size_t i = 0; i < copy.tensors.size(); ++i) {
    EXPECT_TRUE(at::equal(optimizer->tensors()[i].value, copy.tensors[i].value)) << name << i;
    if (copy.tensors[i].working.defined()) {
      EXPECT_TRUE(at::equal(optimizer->tensors()[i].working, copy.tensors[i].working)) << name << i;
    }
  }
  for (const auto& [key, state] : optimizer->state()) {
    EXPECT_TRUE(at::equal(state, states.at(key))) << name << " " << key;
  }
}

TEST(EmulatedCudaOperators, AdamWMatchesTheCpuBitForBit) {
  check_adamw("adamw", at::kFloat, at::kFloat);
  check_adamw("adamw", at::kFloat, at::kBFloat16);
  check_adamw("adamw", at::kFloat, at::kHalf);
  check_adamw("adamw", at::kBFloat16, at::kBFloat16);
}

TEST(EmulatedCudaOperators, EightBitAdamWMatchesTheCpuBitForBit) {
  check_adamw("adamw8bit", at::kFloat, at::kFloat);
  check_adamw("adamw8bit", at::kBFloat16, at::kBFloat16);
}

}  // namespace
}  // namespace sdxl
