// CUDA graphs of the UNet against plain calls. Skipped without a GPU or the plugin.
#include "device/graph.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "support/gpu.h"
#include "support/small_unet.h"

namespace sdxl {
namespace {

using test::plain_call;

class CudaGraphs : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    const std::string reason = test::select_gpu(&device_);
    if (!reason.empty()) GTEST_SKIP() << reason;
    if (!supports_graphs(device_)) GTEST_SKIP() << "no libsdxl_cuda.so beside the test";
    unet_.initialize(1, {device_, GetParam()});
    inputs_.emplace(at::TensorOptions(device_).dtype(GetParam()));
    replay_.begin(unet_);
  }

  /// Calls the UNet, replayed or not, and compares with a plain call.
  void call(UNetPrompt& prompt, bool replayed) {
    const int64_t batch = prompt.embeds.prompt_embeds.size(0);
    const at::Tensor sample = inputs_->sample(batch), timestep = inputs_->timestep();
    const at::Tensor output = replay_.forward(sample, timestep, prompt, 10);
    EXPECT_EQ(replay_.holds_memory(), replayed);
    const at::Tensor expected = plain_call(unet_, sample, timestep, prompt);
    EXPECT_TRUE(output.isfinite().all().item<bool>());
    EXPECT_TRUE(output.equal(expected))
        << "they differ by at most "
        << (output.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>() << " of "
        << expected.abs().max().item<double>();
  }

  const at::NoGradGuard no_grad_;
  at::Device device_ = at::kCPU;
  UNet2DConditionModel unet_{test::small_unet_config()};
  std::optional<test::RandomInputs> inputs_;
  UNetReplay replay_;
};

TEST_P(CudaGraphs, MatchTheCalls) {
  UNetPrompt prompt = inputs_->prompt(2);
  call(prompt, /*replayed=*/false);
  for (int i = 0; i < 4; ++i) call(prompt, /*replayed=*/true);
}

TEST_P(CudaGraphs, ReadTheCurrentWeights) {
  UNetPrompt before = inputs_->prompt(2), after = inputs_->prompt(2);
  call(before, /*replayed=*/false);
  call(before, /*replayed=*/true);
  for (const NamedParameter& parameter : unet_.parameters()) parameter.tensor->mul_(1.1);
  replay_.begin(unet_);
  for (int i = 0; i < 3; ++i) call(after, /*replayed=*/true);
}

TEST_P(CudaGraphs, AreCapturedAgainForAnotherBatchSize) {
  for (const int64_t batch : {2, 1, 4}) {
    UNetPrompt prompt = inputs_->prompt(batch);
    replay_.begin(unet_);
    call(prompt, /*replayed=*/false);
    for (int i = 0; i < 2; ++i) call(prompt, /*replayed=*/true);
  }
}

TEST_P(CudaGraphs, TakeAnotherPromptAtEachCall) {
  UNetPrompt first = inputs_->prompt(2), second = inputs_->prompt(2);
  call(first, /*replayed=*/false);
  for (int i = 0; i < 2; ++i) {
    call(first, /*replayed=*/true);
    call(second, /*replayed=*/true);
  }
}

TEST_P(CudaGraphs, LeaveTheDeviceUsableAfterAFailedCapture) {
  const at::Tensor x = at::ones({1000}, at::TensorOptions(device_));
  double read = 0;
  EXPECT_EQ(capture_graph(device_, [&] { read = (x * 2).sum().item<double>(); }), nullptr);
  EXPECT_EQ((x * 2).sum().item<double>(), 2000);
  UNetPrompt prompt = inputs_->prompt(2);
  call(prompt, /*replayed=*/false);
  for (int i = 0; i < 2; ++i) call(prompt, /*replayed=*/true);
}

INSTANTIATE_TEST_SUITE_P(Types, CudaGraphs, testing::Values(at::kFloat, at::kHalf, at::kBFloat16),
                         [](const auto& info) { return std::string(at::toString(info.param)); });

}  // namespace
}  // namespace sdxl
