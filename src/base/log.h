// Log lines on stderr, with secrets redacted and control characters escaped.
#pragma once

#include <string>

namespace sdxl::log {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

/// Parses --log_level: debug, info, warning, error or off; Error(kUsage) otherwise.
Level level_from_name(const std::string& name);
void set_level(Level level);
/// Whether lines of this level are written.
bool enabled(Level level);

/// Each writes one line if its level is enabled.
void debug(const std::string& message);
void info(const std::string& message);
void warning(const std::string& message);

/// Writes the last line of a failed process, "sdxl: error: …", at any level.
void error(const std::string& message);

/// Makes redacted() hide a secret that was read from a file (a token file, .netrc).
void add_secret(const std::string& value);

/// `text` with secrets replaced: those of add_secret, HF_TOKEN and WANDB_API_KEY, and what looks
/// like one (hf_…, keys announced as such, passwords in URLs). Use it for all text that is saved.
std::string redacted(std::string text);

/// Whether stderr gets colour: it is a terminal other than "dumb" and NO_COLOR is empty, or
/// FORCE_COLOR or CLICOLOR_FORCE is set.
bool colour();

}  // namespace sdxl::log
