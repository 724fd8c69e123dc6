// Times the CUDA plugin's operators beside ATen's, at the shapes of SDXL at 1024 pixels:
// microseconds, and their ratio.
#include <c10/core/GradMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>
#include <cstdio>
#include <functional>

#include "base/error.h"
#include "device/device.h"
#include "device/operators.h"
#include "kernels/fused_ops.h"
#include "training/optimizers/registry.h"

namespace sdxl {
namespace {

/// Microseconds of one call, the mean of many.
double microseconds(const at::Device& device, const std::function<void()>& call) {
  const c10::impl::VirtualGuardImpl guard(device.type());
  constexpr int kCalls = 50;
  for (int i = 0; i < 5; ++i) call();
  guard.synchronizeDevice(device.index());
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kCalls; ++i) call();
  guard.synchronizeDevice(device.index());
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
             .count() /
         kCalls;
}

void compare(const char* name, const at::Device& device, const std::function<void()>& aten,
             const std::function<void()>& ours) {
  const double before = microseconds(device, aten), after = microseconds(device, ours);
  std::printf("%-52s ATen %8.1f us   sdxl %8.1f us   %.2f times\n", name, before, after,
              before / after);
  std::fflush(stdout);
}

void time_group_norm(const at::Device& device, int64_t channels, int64_t side, bool train) {
  const auto options = at::TensorOptions(device).dtype(at::kHalf);
  const at::Tensor x =
      at::randn({2, channels, side, side}, options).contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor input = x.detach().set_requires_grad(train);
  const at::Tensor weight = at::randn({channels}, options), bias = at::randn({channels}, options);
  const at::Tensor gradient = at::randn_like(x);
  const auto run = [&](const at::Tensor& output) {
    if (train) output.backward(gradient);
  };
  const std::string name = std::string("group norm + SiLU fp16 ") + std::to_string(channels) +
                           " x " + std::to_string(side) + (train ? " forward + backward" : "");
  // ATen's result has channels first; the convolution that follows brings it back.
  compare(
      name.c_str(), device,
      [&] {
        run(at::silu(at::group_norm(input, 32, weight, bias, 1e-5))
                .contiguous(at::MemoryFormat::ChannelsLast));
      },
      [&] {
        run(*fused_group_norm(input, {}, weight, bias, {32, 1e-5, true}));
      });
}

void time_geglu(const at::Device& device, int64_t tokens, int64_t width, bool train) {
  const auto options = at::TensorOptions(device).dtype(at::kHalf);
  at::Tensor x = at::randn({2, tokens, 2 * width}, options).set_requires_grad(train);
  const at::Tensor gradient = at::randn({2, tokens, width}, options);
  const auto run = [&](const at::Tensor& output) {
    if (train) output.backward(gradient);
  };
  const std::string name = std::string("GEGLU fp16 ") + std::to_string(tokens) + " x " +
                           std::to_string(width) + (train ? " forward + backward" : "");
  compare(
      name.c_str(), device,
      [&] {
        const auto halves = x.chunk(2, -1);
        run(halves[0] * at::gelu(halves[1]));
      },
      [&] { run(*fused_geglu(x)); });
}

/// 16 tensors of 16 M elements, with and without the plugin.
void time_optimizer(const at::Device& device, const char* name, at::ScalarType value) {
  ParameterGroup group{"unet", 1e-4, 1e-2, {}};
  std::vector<at::Tensor> gradients;
  for (int i = 0; i < 16; ++i) {
    const auto options = at::TensorOptions(device).dtype(value);
    TrainedTensor tensor{std::to_string(i), at::randn({int64_t{1} << 24}, options), {}};
    if (value == at::kFloat) tensor.working = tensor.value.to(at::kBFloat16);
    group.tensors.push_back(tensor);
    gradients.push_back(tensor.value.to(at::kBFloat16));
  }
  OptimizerOptions plain;
  plain.whole_tensors = true;
  const auto aten = make_optimizer(name, {group}, plain);
  const auto ours = make_optimizer(name, {group}, {});
  compare((std::string(name) + ", 268 M elements, weights " + at::toString(value)).c_str(), device,
          [&] { aten->step(gradients, {}); }, [&] { ours->step(gradients, {}); });
}

int run() {
  at::Device device = at::kCPU;
  try {
    device = select_device("cuda");
  } catch (const Error& error) {
    std::printf("skipped: %s\n", error.what());
    return 0;
  }
  if (operators_for(device) == nullptr) {
    std::printf("skipped: no libsdxl_cuda.so beside the program\n");
    return 0;
  }
  for (const bool train : {false, true}) {
    const c10::AutoGradMode mode(train);
    time_group_norm(device, 320, 128, train);
    time_group_norm(device, 640, 64, train);
    time_group_norm(device, 1280, 32, train);
    time_group_norm(device, 2560, 32, train);
    time_geglu(device, 4096, 2560, train);
    time_geglu(device, 1024, 5120, train);
  }
  time_optimizer(device, "adamw", at::kFloat);
  time_optimizer(device, "adamw8bit", at::kFloat);
  time_optimizer(device, "adamw8bit", at::kBFloat16);
  return 0;
}

}  // namespace
}  // namespace sdxl

int main() {
  try {
    return sdxl::run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
