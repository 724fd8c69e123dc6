// The only file that includes spdlog, whose fmt clashes with LibTorch's in one translation unit.
#include "base/log.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/environment.h"
#include "base/error.h"
#include "base/terminal.h"
#include "base/text.h"

namespace sdxl::log {
namespace {

constexpr std::array<const char*, 5> kLevelNames = {"debug", "info", "warning", "error", "off"};

class StderrSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    const std::lock_guard lock(terminal::mutex());
    terminal::write_line({line.data(), line.size()});
  }
  void flush_() override {}
};

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

/// Writes lines with the time of day. Never destroyed, since threads may outlive main().
spdlog::logger& logger() {
  static auto* instance = [] {
    auto* made = new spdlog::logger("sdxl", std::make_shared<StderrSink>());
    made->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%H:%M:%S %v", spdlog::pattern_time_type::local, ""));
    return made;
  }();
  return *instance;
}

/// Writes "sdxl: KIND: message" without the time. "sdxl: error: " stays plain for scripts.
void write_marked(const char* kind, const char* colour_code, const std::string& message) {
  const bool coloured = colour();
  const std::string line = str("sdxl: ", kind, ": ", coloured ? colour_code : "",
                               escaped(redacted(message)), coloured ? "\x1b[0m" : "");
  const std::lock_guard lock(terminal::mutex());
  terminal::write_line(line);
}

constexpr size_t kShortestSecret = 8;

struct Secrets {
  std::mutex mutex;
  std::vector<std::string> values;
};

Secrets& secrets() {
  static auto* instance = [] {
    auto* made = new Secrets;
    for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY"}) {
      const std::string value = environment(name);
      if (value.size() >= kShortestSecret) made->values.push_back(value);
    }
    return made;
  }();
  return *instance;
}

constexpr std::string_view kRedacted = "[redacted]";

bool is_alphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

/// Hides Hub tokens: hf_ and at least 20 letters or digits.
void redact_hub_tokens(std::string& text) {
  for (size_t at = text.find("hf_"); at != text.npos; at = text.find("hf_", at + 1)) {
    size_t end = at + 3;
    while (end < text.size() && is_alphanumeric(text[end])) ++end;
    if (end - at >= 23) text.replace(at, end - at, kRedacted);
  }
}

/// Hides the user and password of https://user:password@host.
void redact_url_passwords(std::string& text) {
  for (size_t at = text.find("://"); at != text.npos; at = text.find("://", at + 1)) {
    const size_t start = at + 3, end = text.find_first_of("/?# \t\n'\"", start);
    const size_t sign = text.substr(start, end - start).rfind('@');
    if (sign != text.npos) text.replace(start, sign, kRedacted);
  }
}

/// Hides 40 hexadecimal digits (a W&B key) behind a word that announces a secret. Elsewhere they
/// are a commit, which has to stay.
void redact_keys(std::string& text) {
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (size_t at = 0; at < lower.size();) {
    size_t end = at;
    while (end < lower.size() && std::isxdigit(static_cast<unsigned char>(lower[end])) != 0) ++end;
    const bool whole = (at == 0 || !is_alphanumeric(lower[at - 1])) &&
                       (end == lower.size() || !is_alphanumeric(lower[end]));
    if (end - at == 40 && whole) {
      const size_t from = at < 24 ? 0 : at - 24;
      const std::string_view before = std::string_view(lower).substr(from, at - from);
      for (const char* word : {"key", "token", "secret", "password", "basic", "bearer", "api:"}) {
        if (before.find(word) == before.npos) continue;
        text.replace(at, 40, kRedacted);
        lower.replace(at, 40, kRedacted);
        end = at + kRedacted.size();
        break;
      }
    }
    at = std::max(end, at + 1);
  }
}

}  // namespace

Level level_from_name(const std::string& name) {
  const auto found = std::find(kLevelNames.begin(), kLevelNames.end(), name);
  if (found == kLevelNames.end()) {
    throw Error(ExitStatus::kUsage, "--log_level ", quoted(name),
                ": must be debug, info, warning, error or off");
  }
  return static_cast<Level>(found - kLevelNames.begin());
}

void set_level(Level level) { logger().set_level(spdlog_level(level)); }

bool enabled(Level level) { return logger().should_log(spdlog_level(level)); }

void debug(const std::string& message) {
  if (enabled(Level::kDebug)) logger().debug("{}", "debug: " + escaped(redacted(message)));
}

void info(const std::string& message) {
  if (enabled(Level::kInfo)) logger().info("{}", escaped(redacted(message)));
}

void warning(const std::string& message) {
  if (enabled(Level::kWarning)) write_marked("warning", "\x1b[33m", message);
}

void error(const std::string& message) { write_marked("error", "\x1b[31m", message); }

void add_secret(const std::string& value) {
  if (value.size() < kShortestSecret) return;
  const std::lock_guard lock(secrets().mutex);
  secrets().values.push_back(value);
}

std::string redacted(std::string text) {
  {
    const std::lock_guard lock(secrets().mutex);
    for (const std::string& value : secrets().values) {
      for (size_t at = text.find(value); at != text.npos; at = text.find(value, at)) {
        text.replace(at, value.size(), kRedacted);
      }
    }
  }
  redact_hub_tokens(text);
  redact_url_passwords(text);
  redact_keys(text);
  return text;
}

bool colour() {
  if (!environment("NO_COLOR").empty()) return false;
  if (environment_flag("FORCE_COLOR") || environment_flag("CLICOLOR_FORCE")) return true;
  return terminal::interactive();
}

}  // namespace sdxl::log
