// The CUDA plugin's operators against ATen's, and its AdamW against the CPU's. Skipped without a
// GPU or the plugin.
#include "device/operators.h"

#include <gtest/gtest.h>

#include "kernels/fused_ops.h"
#include "support/gpu.h"
#include "training/optimizers/registry.h"

namespace sdxl {
namespace {

class CudaOperators : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = test::select_gpu(&device_);
    if (!reason.empty()) GTEST_SKIP() << reason;
    if (operators_for(device_) == nullptr) GTEST_SKIP() << "no libsdxl_cuda.so beside the test";
    at::manual_seed(1);
  }

  at::Tensor random(at::IntArrayRef sizes, at::ScalarType type, double scale = 1.0) const {
    return (at::randn(sizes) * scale).to(device_, type);
  }

  at::Device device_ = at::kCPU;
};

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

double tolerance(at::ScalarType type) {
  return type == at::kFloat ? 2e-5 : type == at::kHalf ? 8e-3 : 6e-2;
}

/// In float64, of inputs in any type.
at::Tensor exact_group_norm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& weight,
                            const at::Tensor& bias, const GroupNormOptions& options) {
  at::Tensor input = x.to(at::kDouble);
  if (shift.defined()) input = input + shift.to(at::kDouble).unsqueeze(-1).unsqueeze(-1);
  const at::Tensor normed = at::group_norm(input, options.groups, weight.to(at::kDouble),
                                           bias.to(at::kDouble), options.eps);
  return options.silu ? at::silu(normed) : normed;
}

TEST_F(CudaOperators, GroupNormMatchesFloat64) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const auto [channels, groups, side] : {std::array<int64_t, 3>{320, 32, 64},
                                                {1280, 32, 17},
                                                {2560, 32, 8},
                                                {64, 16, 5},
                                                {8, 2, 3}}) {
      for (const bool silu : {false, true}) {
        const at::Tensor x = (random({2, channels, side, side}, type) + 3.0)
                                 .contiguous(at::MemoryFormat::ChannelsLast);
        const at::Tensor weight = random({channels}, type), bias = random({channels}, type);
        const at::Tensor shift = silu ? random({2, channels}, type) : at::Tensor();
        const GroupNormOptions options{groups, 1e-5, silu};
        const auto fused = fused_group_norm(x, shift, weight, bias, options);
        ASSERT_TRUE(fused.has_value());
        EXPECT_TRUE(fused->is_contiguous(at::MemoryFormat::ChannelsLast));
        EXPECT_LT(difference(*fused, exact_group_norm(x, shift, weight, bias, options)),
                  tolerance(type))
            << type << " channels " << channels << " silu " << silu;
      }
    }
  }
}

TEST_F(CudaOperators, GroupNormGradientsMatchFloat64) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const GroupNormOptions options{32, 1e-5, true};
    std::vector<at::Tensor> leaves = {
        random({2, 640, 24, 24}, type).contiguous(at::MemoryFormat::ChannelsLast),
        random({2, 640}, type), random({640}, type), random({640}, type)};
    const at::Tensor gradient = random({2, 640, 24, 24}, type);
    std::vector<at::Tensor> exact;
    for (at::Tensor& leaf : leaves) {
      exact.push_back(leaf.to(at::kDouble).set_requires_grad(true));
      leaf.set_requires_grad(true);
    }
    exact_group_norm(exact[0], exact[1], exact[2], exact[3], options)
        .backward(gradient.to(at::kDouble));
    fused_group_norm(leaves[0], leaves[1], leaves[2], leaves[3], options)->backward(gradient);
    for (size_t i = 0; i < leaves.size(); ++i) {
      const double scale = std::max(1.0, exact[i].grad().abs().max().item<double>());
      EXPECT_LT(difference(leaves[i].grad(), exact[i].grad()) / scale, tolerance(type))
          << type << " input " << i;
    }
  }
}

TEST_F(CudaOperators, GroupNormGradientsWithoutShiftMatchFloat64) {
  const GroupNormOptions options{32, 1e-5, false};
  at::Tensor x = random({1, 320, 8, 8}, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor weight = random({320}, at::kFloat), bias = random({320}, at::kFloat);
  at::Tensor exact = x.to(at::kDouble).set_requires_grad(true);
  x.set_requires_grad(true);
  const at::Tensor gradient = random({1, 320, 8, 8}, at::kFloat);
  exact_group_norm(exact, {}, weight, bias, options).backward(gradient.to(at::kDouble));
  fused_group_norm(x, {}, weight, bias, options)->backward(gradient);
  EXPECT_LT(difference(x.grad(), exact.grad()), tolerance(at::kFloat));
}

TEST_F(CudaOperators, GroupNormIsDeterministic) {
  const at::Tensor x =
      random({2, 320, 96, 96}, at::kHalf).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor weight = random({320}, at::kHalf), bias = random({320}, at::kHalf);
  const at::Tensor once = *fused_group_norm(x, {}, weight, bias, {32, 1e-5, true});
  const at::Tensor again = *fused_group_norm(x, {}, weight, bias, {32, 1e-5, true});
  EXPECT_TRUE(at::equal(once, again));
}

TEST_F(CudaOperators, GegluMatchesAten) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    at::Tensor x = random({2, 77, 2 * 1280}, type);
    at::Tensor plain = x.clone();
    x.set_requires_grad(true);
    plain.set_requires_grad(true);
    const at::Tensor gradient = random({2, 77, 1280}, type);
    const at::Tensor fused = *fused_geglu(x);
    const auto halves = plain.chunk(2, -1);
    const at::Tensor expected = halves[0] * at::gelu(halves[1]);
    EXPECT_LT(difference(fused, expected), tolerance(type)) << type;
    fused.backward(gradient);
    expected.backward(gradient);
    EXPECT_LT(difference(x.grad(), plain.grad()), 2 * tolerance(type)) << type;
  }
}

/// Runs three steps of an optimizer on a device; returns values, states and working copies.
std::vector<at::Tensor> stepped(const std::string& name, at::Device device, at::ScalarType value,
                                at::ScalarType gradient) {
  ParameterGroup group{"unet", 1e-3, 1e-2, {}};
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(7);
  for (const int64_t size : {3, 300, 5000, 70000}) {
    TrainedTensor tensor{
        "w" + std::to_string(size), at::randn({size}, generator).to(device, value), {}};
    if (value == at::kFloat && gradient != at::kFloat) tensor.working = tensor.value.to(gradient);
    group.tensors.push_back(tensor);
  }
  OptimizerOptions options;
  options.seed = 5;
  const auto optimizer = make_optimizer(name, {group}, options);
  for (int step = 0; step < 3; ++step) {
    std::vector<at::Tensor> gradients;
    for (const TrainedTensor& tensor : group.tensors) {
      gradients.push_back(at::randn(tensor.value.sizes(), generator).to(device, gradient));
    }
    optimizer->step(gradients, {1.0, 0.5});
  }
  std::vector<at::Tensor> result;
  for (const TrainedTensor& tensor : optimizer->tensors()) {
    result.push_back(tensor.value.cpu());
    if (tensor.working.defined()) result.push_back(tensor.working.cpu());
  }
  for (const auto& [key, state] : optimizer->state()) result.push_back(state.cpu());
  return result;
}

void expect_same_steps(const std::string& name, at::Device device, at::ScalarType value,
                       at::ScalarType gradient) {
  const auto on_cpu = stepped(name, at::kCPU, value, gradient);
  const auto on_device = stepped(name, device, value, gradient);
  ASSERT_EQ(on_cpu.size(), on_device.size());
  for (size_t i = 0; i < on_cpu.size(); ++i) {
    EXPECT_TRUE(at::equal(on_cpu[i], on_device[i]))
        << name << " tensor " << i << ": " << (on_cpu[i] != on_device[i]).sum().item<int64_t>()
        << " of " << on_cpu[i].numel() << " differ, by at most "
        << difference(on_cpu[i], on_device[i]);
  }
}

TEST_F(CudaOperators, AdamWMatchesTheCpuBitForBit) {
  expect_same_steps("adamw", device_, at::kFloat, at::kFloat);
  expect_same_steps("adamw", device_, at::kFloat, at::kBFloat16);
  expect_same_steps("adamw", device_, at::kFloat, at::kHalf);
}

TEST_F(CudaOperators, AdamWRoundsBfloat16WeightsAsTheCpu) {
  expect_same_steps("adamw", device_, at::kBFloat16, at::kBFloat16);
}

TEST_F(CudaOperators, EightBitAdamWMatchesTheCpuBitForBit) {
  expect_same_steps("adamw8bit", device_, at::kFloat, at::kFloat);
  expect_same_steps("adamw8bit", device_, at::kBFloat16, at::kBFloat16);
}

}  // namespace
}  // namespace sdxl
