// The training step: overflow in fp16, numbers that go wrong, stops, fused backward.
#include "training/trainer.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "base/error.h"
#include "base/stop.h"
#include "training/optimizers/registry.h"

namespace sdxl {
namespace {

/// Predicts `scale` times its one weight times the noisy latents, in the dtype of the weight.
class OneWeight : public Trainable {
 public:
  OneWeight(at::ScalarType dtype, double scale) : dtype_(dtype), scale_(scale) {
    TrainedTensor tensor{"weight", at::full({1}, 0.5), {}};
    if (dtype != at::kFloat) tensor.working = tensor.value.to(dtype);
    tensor.leaf().requires_grad_(true);
    groups_ = {{"all", 1e-2, 0.0, {tensor}}};
  }
  const std::vector<ParameterGroup>& parameter_groups() const override { return groups_; }
  at::Tensor predict(const TrainingBatch&, const at::Tensor& noisy, const at::Tensor&) override {
    return noisy.to(dtype_) * groups_[0].tensors[0].leaf() * scale_;
  }
  void save(const std::filesystem::path&, const std::vector<at::Tensor>&,
            const WeightSetName&) const override {}
  std::vector<at::Tensor> load(const std::filesystem::path&, const WeightSetName&) const override {
    return {};
  }
  double weight() const { return groups_[0].tensors[0].value.item<double>(); }

 private:
  at::ScalarType dtype_;
  double scale_;
  std::vector<ParameterGroup> groups_;
};

struct Recorded : TrainerHooks {
  void after_step(const StepReport& report) override { reports.push_back(report); }
  void after_overflow(int64_t step, double new_scale) override {
    overflows.emplace_back(step, new_scale);
    if (trainable != nullptr) weights.push_back(trainable->weight());
  }
  void before_stop(int64_t step) override { stopped_after = step; }

  const OneWeight* trainable = nullptr;
  std::vector<StepReport> reports;
  std::vector<std::pair<int64_t, double>> overflows;
  std::vector<double> weights;  // at each overflow
  int64_t stopped_after = -1;
};

NoiseSchedule schedule() { return {Json{{"beta_schedule", "scaled_linear"}}, "a test"}; }

/// A trainer of one weight with its parts.
struct Bench {
  Bench(at::ScalarType dtype, double scale, const TrainerOptions& options)
      : trainable(dtype, scale),
        objective(schedule(), {}),
        optimizer(make_optimizer("adamw", trainable.parameter_groups(), {})),
        rate({}),
        average(optimizer->tensors(), {}),
        trainer(
            trainable, objective, *optimizer, rate, &average, [this] { return batch(); }, options) {
    hooks.trainable = &trainable;
  }
  std::optional<TrainingBatch> batch() {
    TrainingBatch batch;
    batch.draws = {next_draw++};
    batch.names = {"picture-" + std::to_string(batch.draws[0])};
    batch.latents = at::ones({1, 4, 4, 4}) * (batch.draws[0] == bad_draw ? NAN : 1.0);
    if (batch.draws[0] == stop_at_draw) request_stop(SIGTERM);
    return batch;
  }

  int64_t next_draw = 0, bad_draw = -1, stop_at_draw = -1;
  OneWeight trainable;
  Objective objective;
  std::unique_ptr<Optimizer> optimizer;
  LrSchedule rate;
  Ema average;
  Trainer trainer;
  Recorded hooks;
};

TEST(Trainer, RepeatsAnOverflowedStepWithNothingChanged) {
  // The gradient of the weight is some hundreds: with a loss scale of 65536 beyond fp16.
  Bench bench(at::kHalf, 20.0, {.max_steps = 2, .scale_loss = true});
  bench.trainer.run(bench.hooks);
  ASSERT_GE(bench.hooks.overflows.size(), 1u);
  EXPECT_EQ(bench.hooks.overflows[0], (std::pair<int64_t, double>(0, 32768.0)));
  for (const auto& [step, scale] : bench.hooks.overflows) EXPECT_EQ(step, 0);
  for (double weight : bench.hooks.weights) EXPECT_EQ(weight, 0.5);
  EXPECT_EQ(bench.hooks.reports.size(), 2u);
  EXPECT_EQ(bench.hooks.reports[0].samples.size(), 1u);
  EXPECT_EQ(bench.optimizer->steps_taken(), 2);
  EXPECT_EQ(bench.average.updates(), 2);
  EXPECT_EQ(bench.next_draw, 2);  // no sample was lost or taken twice
  EXPECT_NE(bench.trainable.weight(), 0.5);
}

TEST(Trainer, KeepsTheLossScaleInItsState) {
  Bench first(at::kHalf, 20.0, {.max_steps = 2, .scale_loss = true});
  first.trainer.run(first.hooks);
  Bench second(at::kHalf, 20.0, {.max_steps = 3, .scale_loss = true});
  second.trainer.load(first.trainer.state(), "a checkpoint");
  second.trainer.run(second.hooks);
  EXPECT_TRUE(second.hooks.overflows.empty());
  EXPECT_EQ(second.hooks.reports[0].step, 3);
  EXPECT_EQ(second.hooks.reports[0].loss_scale, first.hooks.reports[1].loss_scale);
}

TEST(Trainer, ScalingTheLossDoesNotChangeTheStep) {
  Bench plain(at::kFloat, 1.0, {.max_steps = 3});
  Bench scaled(at::kFloat, 1.0, {.max_steps = 3, .scale_loss = true});
  plain.trainer.run(plain.hooks);
  scaled.trainer.run(scaled.hooks);
  EXPECT_EQ(plain.trainable.weight(), scaled.trainable.weight());
  EXPECT_EQ(plain.hooks.reports[2].gradient_norm, scaled.hooks.reports[2].gradient_norm);
}

TEST(Trainer, NamesStepAndSampleOfABadLossAndLeavesTheWeights) {
  for (const bool fused : {false, true}) {
    Bench bench(at::kFloat, 1.0, {.max_steps = 9, .fused_backward = fused});
    bench.bad_draw = 2;
    try {
      bench.trainer.run(bench.hooks);
      FAIL() << "trained on";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), ExitStatus::kBadNumbers);
      EXPECT_NE(std::string(error.what()).find("step 3 at 'picture-2'"), std::string::npos)
          << error.what();
    }
    EXPECT_EQ(bench.hooks.reports.size(), 2u);
    EXPECT_TRUE(std::isfinite(bench.trainable.weight()));
  }
}

TEST(Trainer, StopsBetweenMicroBatchesAsIfTheStepHadNotBegun) {
  Bench bench(at::kFloat, 1.0, {.max_steps = 9, .accumulation = 3});
  bench.stop_at_draw = 4;  // the second micro-batch of the second step
  EXPECT_THROW(bench.trainer.run(bench.hooks), Interrupted);
  request_stop(0);
  EXPECT_EQ(bench.hooks.stopped_after, 1);
  EXPECT_EQ(bench.optimizer->steps_taken(), 1);
}

TEST(Trainer, AFusedStepIsTheSameStep) {
  Bench plain(at::kFloat, 1.0, {.max_steps = 4, .max_grad_norm = 1e-3});
  Bench fused(at::kFloat, 1.0, {.max_steps = 4, .max_grad_norm = 1e-3, .fused_backward = true});
  plain.trainer.run(plain.hooks);
  fused.trainer.run(fused.hooks);
  EXPECT_EQ(plain.trainable.weight(), fused.trainable.weight());
  EXPECT_EQ(plain.hooks.reports[3].gradient_norm, fused.hooks.reports[3].gradient_norm);
}

TEST(Trainer, ReportsTheMeanOverMicroBatches) {
  Bench bench(at::kFloat, 1.0, {.max_steps = 1, .accumulation = 4});
  bench.trainer.run(bench.hooks);
  const StepReport& report = bench.hooks.reports[0];
  ASSERT_EQ(report.samples.size(), 4u);
  double sum = 0;
  for (const SampleLoss& sample : report.samples) sum += sample.loss;
  EXPECT_NEAR(report.loss, sum / 4, 1e-12);
}

TEST(Clipped, ScalesToTheNormAndDropsWhatIsNotFinite) {
  const at::Tensor gradient = at::tensor({3.0f, 4.0f});
  const at::Tensor norm = gradient_norms({gradient});
  EXPECT_EQ(norm.item<double>(), 5.0);
  EXPECT_NEAR(clipped(gradient, norm, 1.0).norm().item<double>(), 1.0, 1e-6);
  EXPECT_TRUE(at::equal(clipped(gradient, norm, 0.0), gradient));
  const at::Tensor bad = at::tensor({3.0f, INFINITY});
  EXPECT_TRUE(at::equal(clipped(bad, gradient_norms({bad}), 1.0), at::zeros({2})));
}

}  // namespace
}  // namespace sdxl
