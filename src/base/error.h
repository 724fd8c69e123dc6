// Errors that the user can fix, and the exit status with which each ends the process.
#pragma once

#include <stdexcept>
#include <string>

#include "base/text.h"

namespace sdxl {

/// Statuses for scripts to act on; the values above 2 are those of sysexits.h where one fits.
enum class ExitStatus : int {
  kDone = 0,
  kFailure = 1,       ///< Any error without a status below.
  kUsage = 2,         ///< Wrong options or configuration.
  kBadData = 65,      ///< A malformed model or malformed data.
  kUnavailable = 69,  ///< A device or the network is unavailable.
  kBadNumbers = 70,   ///< NaN or infinity in a loss, gradient, weight or image.
  kOutOfMemory = 71,  ///< The host or the device ran out of memory.
  kFileError = 74,    ///< A file cannot be read or written.
  kInterrupted = 75,  ///< Stopped by a signal after saving; the run can be resumed.
};

/// An error the user can fix. The message is one line: the option or file, the value, the remedy.
/// main() prints it after "sdxl: error: " and exits with the status.
class Error : public std::runtime_error {
 public:
  /// The message is `parts` printed one after the other.
  template <typename... Parts>
  explicit Error(ExitStatus status, const Parts&... parts)
      : std::runtime_error(str(parts...)), status_(status) {}
  ExitStatus status() const { return status_; }

 private:
  ExitStatus status_;
};

/// Error(kBadData) "SOURCE: PARTS", where `source` is the file or text that is malformed.
template <typename... Parts>
Error bad_data(const std::string& source, const Parts&... parts) {
  return Error(ExitStatus::kBadData, escaped(source), ": ", parts...);
}

/// Thrown at a safe point after a stop signal, once everything worth keeping is saved.
class Interrupted : public Error {
 public:
  explicit Interrupted(const std::string& message) : Error(ExitStatus::kInterrupted, message) {}
};

}  // namespace sdxl
