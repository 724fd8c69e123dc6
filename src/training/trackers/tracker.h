// Trackers: where a run's figures and pictures go besides metrics.jsonl. Each is one file in
// training/trackers/ and one line in the table of tracker.cc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "io/image.h"

namespace sdxl {

struct TrackedImage {
  Image image;
  std::string caption;
};

/// Every call leaves a file that readers understand even if the process is killed right after the
/// next flush(). Failures to write are Error(kFileError).
class Tracker {
 public:
  virtual ~Tracker() = default;
  virtual void scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values) = 0;
  /// `tag` is "validation" or "test".
  virtual void images(const std::string& tag, int64_t step,
                      const std::vector<TrackedImage>& images) = 0;
  virtual void text(const std::string& tag, int64_t step, const std::string& text) = 0;
  /// Called at checkpoints and now and then.
  virtual void flush() = 0;
  /// At the end of the run; `exit_code` 0 for success.
  virtual void finish(int exit_code) = 0;
  /// What the user is told at the end, such as the command that uploads the run; "" for nothing.
  virtual std::string closing_note() const { return ""; }
};

struct TrackerOptions {
  std::filesystem::path output_dir;
  std::string logging_dir = "logs";  ///< Below output_dir.
  std::string run_name = "text2image-fine-tune-sdxl";
  Json config = Json::object();  ///< All options of the run.
  int64_t resume_step =
      0;  ///< Steps after this one were not reported by the run that is continued.
};

/// From --report_to: "none" gives none, "all" every one. Error(kUsage) for an unknown name.
std::vector<std::unique_ptr<Tracker>> make_trackers(const std::string& report_to,
                                                    const TrackerOptions& options);
std::vector<std::string> tracker_names();

}  // namespace sdxl
