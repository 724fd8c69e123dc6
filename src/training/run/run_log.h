// Where a run tells what it does: metrics.jsonl, the trackers, and the progress bar.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/progress.h"
#include "training/step_report.h"
#include "training/trackers/tracker.h"

namespace sdxl {

/// Removes the lines of metrics.jsonl of steps after `step`, which the run that is resumed from a
/// checkpoint of that step will write again, and a torn last line.
void truncate_metrics(const std::filesystem::path& file, int64_t step);

/// Whether metrics.jsonl has a line of step `step` with this key.
bool has_metric(const std::filesystem::path& file, int64_t step, const std::string& key);

class RunLog {
 public:
  /// A log that keeps and shows nothing, for ranks that do not speak.
  RunLog() = default;
  /// `first_step` steps are done already, of `max_steps`; an epoch has `steps_per_epoch`.
  RunLog(const std::filesystem::path& output_dir, std::vector<std::unique_ptr<Tracker>> trackers,
         int64_t first_step, int64_t max_steps, int64_t steps_per_epoch);

  /// A line of metrics.jsonl and the trackers' scalars for one step; moves the bar.
  void step(const StepReport& report);
  /// From now on with the loss of each picture: "pictures" in the line, loss_for_NAME in trackers.
  void tell_pictures() { tells_pictures_ = true; }
  /// A line without the key "loss", and scalars: {"step": N, "KEY": value, …}.
  void event(int64_t step, const std::vector<std::pair<std::string, double>>& values);
  void images(const std::string& tag, int64_t step, const std::vector<TrackedImage>& images);
  void text(const std::string& tag, int64_t step, const std::string& text);
  /// The time that passes until the next step() is not that step's.
  void pause() { paused_ = true; }
  void flush();
  /// Ends bar and trackers, and tells what they have to say.
  void finish(int exit_code);

 private:
  double seconds_since_last_step();

  std::optional<LineWriter> metrics_;  // none in a silent log
  std::vector<std::unique_ptr<Tracker>> trackers_;
  int64_t steps_per_epoch_ = 1;
  std::unique_ptr<Progress> progress_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  bool paused_ = false, tells_pictures_ = false;
};

}  // namespace sdxl
