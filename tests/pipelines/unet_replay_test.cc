// Recorded calls of the UNet. On the CPU a recording here is the work itself, repeated at each
// replay, which shows the inputs, prompts and weights that it reads. cuda/graphs_test.cc uses CUDA
// graphs.
#include "pipelines/unet_replay.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "support/small_unet.h"

namespace sdxl {
namespace {

using test::plain_call;

class Repeated : public DeviceGraph {
 public:
  explicit Repeated(std::function<void()> work) : work_(std::move(work)) {}
  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

class UNetReplayTest : public testing::Test {
 protected:
  UNetReplayTest() {
    at::set_num_threads(1);  // so small that a second one costs more than it gives
    unet_.initialize(1, {at::kCPU, at::kFloat});
  }

  /// A call, which must give what one without a recording gives.
  void call(UNetPrompt& prompt, int64_t calls_left = 10) {
    const int64_t batch = prompt.embeds.prompt_embeds.size(0);
    const at::Tensor sample = inputs_.sample(batch), timestep = inputs_.timestep();
    const at::Tensor output = replay_.forward(sample, timestep, prompt, calls_left);
    EXPECT_TRUE(output.equal(plain_call(unet_, sample, timestep, prompt)));
  }

  const at::NoGradGuard no_grad_;
  int recordings_ = 0;
  UNet2DConditionModel unet_{test::small_unet_config()};
  UNetReplay replay_{[this](const at::Device&, const std::function<void()>& work) {
    ++recordings_;
    work();
    return std::make_unique<Repeated>(work);
  }};
  test::RandomInputs inputs_{at::kFloat};
};

TEST_F(UNetReplayTest, ThreadsThatShareABatchMatchOneThread) {
  UNetPrompt whole = inputs_.prompt(2), shared = whole;
  const at::Tensor sample = inputs_.sample(2), timestep = inputs_.timestep();
  const at::Tensor expected = call_unet(unet_, sample, timestep, whole);
  at::set_num_threads(2);
  for (int step = 0; step < 2; ++step) {
    EXPECT_TRUE(call_unet(unet_, sample, timestep, shared).allclose(expected, 1e-5, 1e-5));
  }
  EXPECT_EQ(shared.parts.size(), 2);
  EXPECT_FALSE(shared.cache.added_embedding.defined());
  at::set_num_threads(1);
}

TEST_F(UNetReplayTest, RecordsTheSecondCallAndReplaysTheOthers) {
  replay_.begin(unet_);
  UNetPrompt prompt = inputs_.prompt(2);
  call(prompt);
  EXPECT_FALSE(replay_.holds_memory());
  for (int i = 0; i < 3; ++i) call(prompt);
  EXPECT_EQ(recordings_, 1);
}

TEST_F(UNetReplayTest, RecordsNothingForTheLastCalls) {
  replay_.begin(unet_);
  UNetPrompt prompt = inputs_.prompt(2);
  for (const int64_t calls_left : {3, 2, 1}) call(prompt, calls_left);
  EXPECT_EQ(recordings_, 0);
}

TEST_F(UNetReplayTest, ReplaysWithCurrentWeights) {
  UNetPrompt before = inputs_.prompt(2), after = before;
  replay_.begin(unet_);
  for (int i = 0; i < 2; ++i) call(before);
  for (const NamedParameter& parameter : unet_.parameters()) parameter.tensor->mul_(1.1);
  after.cache = {};
  replay_.begin(unet_);
  for (int i = 0; i < 2; ++i) call(after);
  EXPECT_EQ(recordings_, 1);
}

TEST_F(UNetReplayTest, RecordsAgainIfWeightsMoved) {
  UNetPrompt before = inputs_.prompt(2), after = inputs_.prompt(2);
  replay_.begin(unet_);
  for (int i = 0; i < 2; ++i) call(before);
  at::Tensor& weight = *unet_.parameters().back().tensor;
  weight = weight + 1;
  replay_.begin(unet_);
  EXPECT_FALSE(replay_.holds_memory());
  for (int i = 0; i < 2; ++i) call(after);
  EXPECT_EQ(recordings_, 2);
}

TEST_F(UNetReplayTest, AcceptsAnotherPromptInEachCall) {
  UNetPrompt first = inputs_.prompt(2), second = inputs_.prompt(2);
  replay_.begin(unet_);
  for (int i = 0; i < 3; ++i) {
    call(first);
    call(second);
  }
  EXPECT_EQ(recordings_, 1);
}

TEST_F(UNetReplayTest, RecordsOneShapeUntilTheNextBegin) {
  UNetPrompt two = inputs_.prompt(2), one = inputs_.prompt(1), other = inputs_.prompt(1);
  replay_.begin(unet_);
  for (int i = 0; i < 3; ++i) {
    call(two);
    call(one);
  }
  EXPECT_EQ(recordings_, 1);
  replay_.begin(unet_);
  for (int i = 0; i < 3; ++i) call(other);
  EXPECT_EQ(recordings_, 2);
}

TEST_F(UNetReplayTest, StopsRecordingAfterAFailure) {
  replay_ = UNetReplay([this](const at::Device&, const std::function<void()>&) {
    ++recordings_;
    return nullptr;
  });
  replay_.begin(unet_);
  UNetPrompt prompt = inputs_.prompt(2);
  for (int i = 0; i < 4; ++i) call(prompt);
  EXPECT_EQ(recordings_, 1);
}

TEST(UNetReplayWithoutGraphs, CallsTheUNet) {
  const at::NoGradGuard no_grad;
  UNet2DConditionModel unet(test::small_unet_config());
  unet.initialize(1, {at::kCPU, at::kFloat});
  test::RandomInputs inputs(at::kFloat);
  UNetPrompt prompt = inputs.prompt(1);
  UNetReplay replay;
  replay.begin(unet);
  for (int i = 0; i < 3; ++i) {
    const at::Tensor sample = inputs.sample(1), timestep = inputs.timestep();
    const at::Tensor output = replay.forward(sample, timestep, prompt, 10);
    EXPECT_TRUE(output.equal(plain_call(unet, sample, timestep, prompt)));
  }
  EXPECT_FALSE(replay.holds_memory());
}

}  // namespace
}  // namespace sdxl
