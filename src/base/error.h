// The exceptions of sdxl and the exit status that each ends the process with.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace sdxl {

/// Exit statuses that scripts can act on (sysexits where one fits).
enum class ExitStatus : int {
  kDone = 0,
  kFailure = 1,       ///< Anything that has no status of its own.
  kUsage = 2,         ///< Options or configuration.
  kBadData = 65,      ///< A malformed model or malformed data.
  kUnavailable = 69,  ///< A device or the network is not to be had.
  kBadNumbers = 70,   ///< NaN or infinity where there must be none.
  kOutOfMemory = 71,
  kFileError = 74,    ///< A file could not be read or written.
  kInterrupted = 75,  ///< Stopped by a signal after saving; the run can be resumed.
};

/// What a user can do something about. The message is one line: the option or file, the value, the
/// remedy. main() prints it after "sdxl: error: " and exits with the status.
class Error : public std::runtime_error {
 public:
  Error(ExitStatus status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  ExitStatus status() const { return status_; }

 private:
  ExitStatus status_;
};

/// Thrown at a safe point after a stop signal, when what there is to save has been saved.
class Interrupted : public Error {
 public:
  explicit Interrupted(const std::string& message) : Error(ExitStatus::kInterrupted, message) {}
};

}  // namespace sdxl
