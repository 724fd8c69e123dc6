// Log lines on stderr. spdlog stands behind log.cc alone: its fmt and LibTorch's clash in one file.
#pragma once

#include <string>

namespace sdxl::log {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

/// From --log_level: debug, info, warning, error, off. Throws Error(kUsage) for another name.
Level level_from_name(const std::string& name);
void set_level(Level level);

/// One line each; secrets (Hub and W&B tokens, passwords in URLs) are redacted.
void debug(const std::string& message);
void info(const std::string& message);
void warning(const std::string& message);

/// The final line of a failed process: "sdxl: error: …".
void error(const std::string& message);

/// `text` with everything that looks like a secret replaced.
std::string redacted(std::string text);

/// Whether colour may be used on stderr (a terminal, NO_COLOR empty, TERM not dumb, or forced).
bool colour();

}  // namespace sdxl::log
