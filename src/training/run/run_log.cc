#include "training/run/run_log.h"

#include <array>
#include <cstdio>
#include <optional>

#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/log.h"
#include "base/text.h"
#include "device/device.h"
#include "training/run/run_files.h"

namespace sdxl {
namespace {

/// The schema of metrics.jsonl. Increase it when a key changes its meaning.
constexpr int kSchema = 1;

/// The step of a line; nothing for a torn or foreign line.
std::optional<int64_t> step_of_line(const std::string& line) {
  try {
    return parse_json(line, kMetricsFile).at("step").get<int64_t>();
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

/// The mean loss in each quarter of the timesteps with samples: "loss_timesteps_250_499".
std::vector<std::pair<std::string, double>> losses_by_quarter(
    const std::vector<SampleLoss>& samples) {
  constexpr int64_t kQuarter = 250;
  std::array<double, 4> sums{};
  std::array<int, 4> counts{};
  for (const SampleLoss& sample : samples) {
    const int64_t quarter = std::min<int64_t>(sample.timestep / kQuarter, 3);
    sums[quarter] += sample.loss;
    ++counts[quarter];
  }
  std::vector<std::pair<std::string, double>> losses;
  for (int64_t i = 0; i < 4; ++i) {
    if (counts[i] == 0) continue;
    losses.emplace_back(str("loss_timesteps_", i * kQuarter, "_", (i + 1) * kQuarter - 1),
                        sums[i] / counts[i]);
  }
  return losses;
}

std::string short_number(double value) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

}  // namespace

void truncate_metrics(const fs::path& file, int64_t step) {
  if (!fs::exists(file)) return;
  std::string kept;
  for (const std::string& line : split(read_file(file), '\n')) {
    const std::optional<int64_t> of_step = step_of_line(line);
    if (of_step && *of_step <= step) kept += line + "\n";
  }
  write_file_atomically(file, kept);
}

bool has_metric(const fs::path& file, int64_t step, const std::string& key) {
  if (!fs::exists(file)) return false;
  for (const std::string& line : split(read_file(file), '\n')) {
    if (step_of_line(line) == step && parse_json(line, file.string()).contains(key)) return true;
  }
  return false;
}

RunLog::RunLog(const fs::path& output_dir, std::vector<std::unique_ptr<Tracker>> trackers,
               int64_t first_step, int64_t max_steps, int64_t steps_per_epoch)
    : metrics_(std::in_place, output_dir / kMetricsFile),
      trackers_(std::move(trackers)),
      steps_per_epoch_(steps_per_epoch),
      progress_(std::make_unique<Progress>("training", static_cast<uint64_t>(max_steps), "step",
                                           static_cast<uint64_t>(first_step))) {}

void RunLog::attempt(const void* file, const std::function<void()>& write) {
  try {
    write();
    failing_.erase(file);
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kFileError) throw;
    if (!failing_.insert(file).second) return;
    log::warning(str(error.what(), "; the run goes on, and its logs lack what comes now"));
  }
}

void RunLog::step(const StepReport& report) {
  if (!metrics_) return;
  const double seconds = seconds_since(last_);
  last_ = Clock::now();
  const int64_t epoch = (report.step - 1) / steps_per_epoch_;
  std::vector<std::pair<std::string, double>> scalars = {
      {"lr", report.learning_rate},
      {"grad_norm", report.gradient_norm},
      {"data_wait", report.data_wait},
      {"memory", static_cast<double>(peak_memory())}};
  if (!paused_) {
    scalars.emplace_back("samples_per_second",
                         static_cast<double>(report.samples.size()) / seconds);
  }
  if (report.loss_scale > 0.0) scalars.emplace_back("loss_scale", report.loss_scale);
  paused_ = false;

  for (auto& loss : losses_by_quarter(report.samples)) scalars.push_back(std::move(loss));

  Json line = {{"schema", kSchema}, {"step", report.step}, {"epoch", epoch}, {"loss", report.loss}};
  for (const auto& [name, value] : scalars) line[name] = value;
  if (logs_samples_) {
    for (const SampleLoss& sample : report.samples) {
      line["pictures"].push_back(
          {{"name", sample.name}, {"timestep", sample.timestep}, {"loss", sample.loss}});
      scalars.emplace_back("loss_for_" + sample.name, sample.loss);
    }
  }
  scalars.emplace_back("train_loss", report.loss);
  attempt(&metrics_, [&] { metrics_->line(one_line(line)); });
  for (auto& tracker : trackers_)
    attempt(tracker.get(), [&] { tracker->scalars(report.step, scalars); });
  progress_->note(
      str("loss=", short_number(report.loss), " lr=", short_number(report.learning_rate)));
  progress_->set(static_cast<uint64_t>(report.step));
}

void RunLog::event(int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  if (!metrics_) return;
  Json line = {{"schema", kSchema}, {"step", step}};
  for (const auto& [name, value] : values) line[name] = value;
  attempt(&metrics_, [&] { metrics_->line(one_line(line)); });
  for (auto& tracker : trackers_) attempt(tracker.get(), [&] { tracker->scalars(step, values); });
}

void RunLog::images(const std::string& tag, int64_t step, const std::vector<TrackedImage>& images) {
  for (auto& tracker : trackers_)
    attempt(tracker.get(), [&] { tracker->images(tag, step, images); });
}

void RunLog::flush() {
  for (auto& tracker : trackers_) attempt(tracker.get(), [&] { tracker->flush(); });
}

void RunLog::finish(int exit_code) {
  progress_.reset();
  for (auto& tracker : trackers_) {
    attempt(tracker.get(), [&] { tracker->finish(exit_code); });
    if (!tracker->closing_note().empty()) log::info(tracker->closing_note());
  }
}

}  // namespace sdxl
