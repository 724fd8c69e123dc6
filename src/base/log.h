// Log lines on stderr. spdlog stands behind log.cc alone: its fmt and LibTorch's clash in one file.
#pragma once

#include <string>

namespace sdxl::log {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

/// From --log_level: debug, info, warning, error, off. Throws Error(kUsage) for another name.
Level level_from_name(const std::string& name);
void set_level(Level level);
/// Whether lines of this level are written.
bool enabled(Level level);

/// One line each; secrets are redacted and control characters escaped.
void debug(const std::string& message);
void info(const std::string& message);
void warning(const std::string& message);

/// The final line of a failed process, whatever the level: "sdxl: error: …".
void error(const std::string& message);

/// A secret that was read from a file (a token file, .netrc); redacted() hides it from then on.
void add_secret(const std::string& value);

/// `text` with every known secret (add_secret, HF_TOKEN, WANDB_API_KEY) and everything that looks
/// like one (hf_…, keys announced as such, passwords in URLs) replaced. For all that is saved or
/// printed.
std::string redacted(std::string text);

/// Whether colour may be used on stderr (a terminal, NO_COLOR empty, TERM not dumb, or forced).
bool colour();

}  // namespace sdxl::log
