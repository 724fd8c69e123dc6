// Trackers: experiment logs besides metrics.jsonl, such as TensorBoard's. registry.cc lists them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "io/images/image.h"

namespace sdxl {

struct TrackedImage {
  Image image;
  std::string caption;
};

/// What was logged before a flush() stays readable if the process is killed after it. Failed writes
/// throw Error(kFileError).
class Tracker {
 public:
  virtual ~Tracker() = default;
  virtual void scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values) = 0;
  /// `tag` is "validation" or "test".
  virtual void images(const std::string& tag, int64_t step,
                      const std::vector<TrackedImage>& images) = 0;
  /// Called at checkpoints.
  virtual void flush() = 0;
  /// Called at the end of the run; `exit_code` is 0 for success.
  virtual void finish(int exit_code) = 0;
  /// A message for the user at the end, such as the command that uploads the run; "" for none.
  virtual std::string closing_note() const { return ""; }
};

struct TrackerOptions {
  std::filesystem::path output_dir;
  std::string logging_dir = "logs";  ///< Below output_dir.
  std::string run_name = "text2image-fine-tune-sdxl";
  Json config = Json::object();  ///< All options of the run.
  /// The step that the run resumes from, or 0. Later steps that an earlier run logged are obsolete.
  int64_t resume_step = 0;
};

}  // namespace sdxl
