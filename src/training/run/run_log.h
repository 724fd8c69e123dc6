// The log of a run: metrics.jsonl, trackers and the progress bar.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files/files.h"
#include "base/progress.h"
#include "training/step_report.h"
#include "training/trackers/tracker.h"

namespace sdxl {

/// Removes from metrics.jsonl the lines of steps after `step`, which a run resumed from that step
/// writes again, and a torn last line.
void truncate_metrics(const std::filesystem::path& file, int64_t step);

/// Whether metrics.jsonl has a line of `step` with this key.
bool has_metric(const std::filesystem::path& file, int64_t step, const std::string& key);

/// Nothing here ends a run for want of disk space: what cannot be written is left out with a
/// warning, and tried again with the next step.
class RunLog {
 public:
  /// A silent log, for all ranks but the first.
  RunLog() = default;
  /// `first_step` of `max_steps` steps are done already.
  RunLog(const std::filesystem::path& output_dir, std::vector<std::unique_ptr<Tracker>> trackers,
         int64_t first_step, int64_t max_steps, int64_t steps_per_epoch);

  /// Writes a line of metrics.jsonl and the trackers' scalars for one step, and moves the bar.
  void step(const StepReport& report);
  /// Adds the loss of each picture from now on: "pictures" in lines, loss_for_NAME in trackers.
  void log_samples() { logs_samples_ = true; }
  /// Writes a line {"step": N, "KEY": value, …} and the same scalars.
  void event(int64_t step, const std::vector<std::pair<std::string, double>>& values);
  void images(const std::string& tag, int64_t step, const std::vector<TrackedImage>& images);
  /// Leaves the throughput out of the next step, whose time includes something else.
  void pause() { paused_ = true; }
  void flush();
  /// Ends the bar and the trackers and logs the trackers' closing notes.
  void finish(int exit_code);

 private:
  /// Runs `write` to `file`. Warns if the disk fails, once until it works again.
  void attempt(const void* file, const std::function<void()>& write);

  std::optional<LineWriter> metrics_;  // none in a silent log
  std::vector<std::unique_ptr<Tracker>> trackers_;
  int64_t steps_per_epoch_ = 1;
  std::unique_ptr<Progress> progress_;
  Clock::time_point last_ = Clock::now();  // the end of the last step
  bool paused_ = false, logs_samples_ = false;
  std::set<const void*> failing_;  // files whose last write failed
};

}  // namespace sdxl
