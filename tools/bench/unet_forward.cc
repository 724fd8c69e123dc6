// Times the UNet of a pipeline directory on the CPU, for tools/bench/bench.py.
//   bench_unet DIR float32|bfloat16 SIDE BATCH RUNS THREADS [plain]
// One JSON line: seconds to load, of the first call and of the fastest later one, peak memory in
// bytes.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "base/error.h"
#include "base/memory.h"
#include "device/device.h"
#include "io/pretrained.h"
#include "models/unet_2d_condition.h"
#include "pipelines/unet_replay.h"

namespace sdxl {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int run(char** arguments) {
  const std::filesystem::path directory = std::filesystem::path(arguments[1]) / "unet";
  const at::ScalarType dtype = std::string(arguments[2]) == "bfloat16" ? at::kBFloat16 : at::kFloat;
  const int64_t side = std::atoi(arguments[3]), batch = std::atoi(arguments[4]);
  at::set_num_threads(std::atoi(arguments[6]));
  keep_freed_memory();
  const at::NoGradGuard no_grad;

  const double start = now();
  const auto config = UNet2DConditionConfig::from_json(
      read_component_config(directory, "UNet2DConditionModel"), directory.string());
  UNet2DConditionModel unet(config);
  unet.load(Weights::open(directory, "diffusion_pytorch_model"),
            {at::kCPU, dtype, /*for_inference=*/arguments[7] == nullptr});
  const double loaded = now();

  const auto options = at::TensorOptions(dtype);
  const int64_t pooled =
      config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim;
  const at::Tensor sample = at::randn({batch, config.in_channels, side, side}, options);
  const at::Tensor context = at::randn({batch, 77, config.cross_attention_dim}, options);
  const at::Tensor text = at::randn({batch, pooled}, options);
  const at::Tensor ids = at::full({batch, 6}, 512.0f, at::kFloat);
  const at::Tensor timestep = at::full({1}, 500.0f, at::kFloat);
  UNetPrompt prompt{{context, text}, ids, {}, {}};  // as from one step of a picture to the next
  double first = 0, best = 1e9;
  for (int i = 0; i <= std::atoi(arguments[5]); ++i) {
    const double begin = now();
    call_unet(unet, sample, timestep, prompt);
    const double taken = now() - begin;
    if (i == 0) {
      first = taken;
    } else {
      best = std::min(best, taken);
    }
  }
  std::printf("{\"load\": %.3f, \"first\": %.4f, \"best\": %.4f, \"peak\": %llu}\n", loaded - start,
              first, best, static_cast<unsigned long long>(peak_memory()));
  return 0;
}

}  // namespace
}  // namespace sdxl

int main(int count, char** arguments) {
  if (count < 7) {
    std::cerr << "usage: bench_unet DIR float32|bfloat16 SIDE BATCH RUNS THREADS [plain]\n";
    return 2;
  }
  try {
    return sdxl::run(arguments);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
