#include "training/trainer.h"

#include <cmath>

#include "base/clock.h"
#include "base/error.h"
#include "base/stop.h"
#include "base/text.h"

namespace sdxl {

Trainer::Trainer(Trainable& trainable, const Objective& objective, Optimizer& optimizer,
                 const LrSchedule& schedule, Ema* ema, BatchSource source, TrainerOptions options,
                 StepExchange* exchange)
    : trainable_(trainable),
      objective_(objective),
      optimizer_(optimizer),
      schedule_(schedule),
      ema_(ema),
      source_(std::move(source)),
      options_(options),
      exchange_(exchange != nullptr ? *exchange : one_process_),
      gradients_(flatten(trainable.parameter_groups()), options.accumulation,
                 exchange_.gradients()) {
  if (options_.fused_backward) install_fused_backward();
}

void Trainer::run(TrainerHooks& hooks) {
  while (step_ < options_.max_steps) {
    const std::optional<StepReport> report = train_step(hooks);
    if (!report) {
      hooks.before_stop(step_);
      throw Interrupted(sdxl::str("stopped by a signal after step ", step_,
                                  "; continue with --resume_from_checkpoint latest"));
    }
    hooks.after_step(*report);
  }
}

std::optional<StepReport> Trainer::train_step(TrainerHooks& hooks) {
  // 1. Wait for the micro-batches. A step that overflows is repeated on the same ones.
  const Clock::time_point start = Clock::now();
  const std::optional<std::vector<TrainingBatch>> batches = next_batches();
  if (!batches) return std::nullopt;
  const double data_wait = seconds_since(start);

  while (true) {
    // 2. Accumulate their gradients.
    StepReport report = begin_report();
    report.data_wait = data_wait;
    if (options_.fused_backward) optimizer_.begin_step({schedule_(step_), 1.0});
    for (const TrainingBatch& batch : *batches) {
      gradients_.begin_pass(&batch == &batches->back());
      if (stop_requested() != 0 && !options_.fused_backward) {
        gradients_.discard();
        pending_ = {};
        return std::nullopt;
      }
      accumulate(batch, report);
    }

    // 3. Step the optimizer.
    if (!(options_.fused_backward ? finish_fused_step(report) : update_weights(report))) {
      hooks.after_overflow(step_, loss_scale_.scale());
      continue;
    }
    exchange_.finish_update();
    if (ema_ != nullptr) ema_->update();
    report.step = ++step_;
    exchange_.merge_reports(report);
    samples_ += std::ssize(report.samples);
    return report;
  }
}

StepReport Trainer::begin_report() const {
  StepReport report;
  report.learning_rate = schedule_(step_) * optimizer_.peak_learning_rate();
  report.loss_scale = options_.scale_loss ? loss_scale_.scale() : 0.0;
  return report;
}

std::optional<std::vector<TrainingBatch>> Trainer::next_batches() {
  std::vector<TrainingBatch> batches;
  while (std::ssize(batches) < options_.accumulation) {
    std::optional<TrainingBatch> batch;
    if (stop_requested() == 0) batch = source_();
    if (!batch) return std::nullopt;
    batches.push_back(std::move(*batch));
  }
  return batches;
}

void Trainer::accumulate(const TrainingBatch& batch, StepReport& report) {
  // 1. Forward.
  const NoisedBatch noised = objective_.noised(batch.latents, batch.draws);
  const at::Tensor prediction = trainable_.predict(batch, noised.noisy, noised.timesteps);
  const at::Tensor losses = objective_.losses(prediction, noised);  // [B]
  const bool counts = batch.weight != 0.0;
  if (counts) pending_.losses.push_back(losses.detach());
  for (int64_t i = 0; counts && i < batch.size(); ++i) {
    report.samples.push_back(
        {batch.draws[i], batch.names[i], noised.timesteps[i].item<int64_t>(), 0.0});
  }
  // A fused backward pass changes weights, so a bad loss must be found before it.
  if (options_.fused_backward) fetch(report);

  // 2. Backward from the mean over the whole step.
  const double scale = options_.scale_loss ? loss_scale_.scale() : 1.0;
  const int64_t parts = options_.accumulation * exchange_.world_size();
  const at::Tensor loss = losses.mean();
  loss.backward(at::full_like(
      loss, batch.weight ? scale * *batch.weight : scale / static_cast<double>(parts)));
}

void Trainer::fetch(StepReport& report) {
  // 1. All work is in the device's queue; the first copy waits for it.
  const auto count = std::ssize(report.samples);
  const at::Tensor values = count > 0 ? at::cat(pending_.losses).to(at::kCPU).to(at::kDouble)
                                      : at::zeros({1}, at::kDouble);
  const double norm = fetch_norm();
  pending_ = {};

  // 2. Check the losses before they change anything.
  report.loss = values.mean().item<double>();
  for (int64_t i = 0; i < count; ++i) report.samples[i].loss = values[i].item<double>();
  require_finite_losses(report.samples);
  report.gradient_norm = norm;
}

bool Trainer::update_weights(StepReport& report) {
  const std::vector<at::Tensor> gradients = gradients_.take();
  pending_.norms = {gradient_norms(gradients)};
  fetch(report);
  const double scale = options_.scale_loss ? loss_scale_.scale() : 1.0;
  report.gradient_norm = exchange_.total_norm(report.gradient_norm) / scale;
  if (!std::isfinite(report.gradient_norm)) {
    constexpr double kLeastScale = 1e-6;
    if (!options_.scale_loss || scale < kLeastScale) throw_bad_gradients();
    loss_scale_.overflowed();
    return false;
  }
  const double clip = clip_factor(report.gradient_norm, options_.max_grad_norm);
  optimizer_.step(exchange_.select_owned(gradients), {schedule_(step_), clip / scale});
  if (options_.scale_loss) loss_scale_.succeeded();
  return true;
}

bool Trainer::finish_fused_step(StepReport& report) {
  report.gradient_norm = fetch_norm();
  pending_ = {};
  if (!std::isfinite(report.gradient_norm)) throw_bad_gradients();
  return true;
}

double Trainer::fetch_norm() const {
  if (pending_.norms.empty()) return 0.0;
  return at::cat(pending_.norms).to(at::kCPU).to(at::kDouble).norm().item<double>();
}

void Trainer::require_finite_losses(const std::vector<SampleLoss>& samples) const {
  std::vector<std::string> bad;
  for (const SampleLoss& sample : samples) {
    if (!std::isfinite(sample.loss)) {
      bad.push_back(sdxl::str(quoted(sample.name), " (timestep ", sample.timestep, ")"));
    }
  }
  if (bad.empty()) return;
  const char* cause = options_.scale_loss ? "fp16 overflowed in the model; use bf16"
                      : step_ == 0        ? "the model or the pictures contain NaN or infinity"
                                          : "the learning rate may be too high";
  throw Error(ExitStatus::kBadNumbers, sdxl::str("the loss is not finite in step ", step_ + 1,
                                                 " at ", join(bad, ", "), ": ", cause));
}

void Trainer::throw_bad_gradients() const {
  throw Error(ExitStatus::kBadNumbers,
              sdxl::str("the gradients are not finite in step ", step_ + 1,
                        ", but the loss is: the learning rate may be too high, or the weights too "
                        "large for the precision"));
}

void Trainer::install_fused_backward() {
  for (size_t i = 0; i < optimizer_.tensors().size(); ++i) {
    on_gradient(optimizer_.tensors()[i].leaf(), [this, i](const at::Tensor& leaf) {
      const at::Tensor gradient = leaf.grad();
      leaf.mutable_grad().reset();
      const at::Tensor norm = gradient_norms({gradient});
      pending_.norms.push_back(norm);
      if (norm.is_cpu()) {  // reading it waits for nothing
        const double value = norm.item<double>();
        if (!std::isfinite(value)) throw_bad_gradients();
        optimizer_.step_tensor(i, gradient, clip_factor(value, options_.max_grad_norm));
      } else {
        optimizer_.step_tensor(i, clipped(gradient, norm, options_.max_grad_norm), 1.0);
      }
    });
  }
}

Json Trainer::state() const {
  Json state = {{"step", step_}, {"samples", samples_}};
  if (options_.scale_loss) state["loss_scale"] = loss_scale_.state();
  return state;
}

void Trainer::load(const Json& state, const std::string& source) {
  step_ = json_value(state, "step", int64_t{0}, source);
  samples_ = json_value(state, "samples", int64_t{0}, source);
  if (options_.scale_loss) {
    loss_scale_.load(json_value(state, "loss_scale", Json::object(), source), source);
  }
}

}  // namespace sdxl
