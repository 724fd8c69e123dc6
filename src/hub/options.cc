#include "hub/options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/environment.h"
#include "base/error.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/text.h"

namespace sdxl {
namespace {

std::string variable(const char* name) { return std::string(trimmed(environment(name))); }

std::string first_of(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::string value = variable(name);
    if (!value.empty()) return value;
  }
  return "";
}

bool is_true(const char* name) {
  std::string value = variable(name);
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

double seconds(const char* name, double fallback) {
  const std::string text = variable(name);
  if (text.empty()) return fallback;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0 && value < 1e6)) {
    throw Error(ExitStatus::kUsage, "the environment variable ", name, " is ", quoted(text),
                ": it must be a number of seconds");
  }
  return value;
}

/// Expands a leading ~ and $NAME or ${NAME}, as os.path.expanduser and expandvars do.
fs::path expanded(const std::string& text) {
  std::string result;
  size_t at = 0;
  if (text == "~" || text.starts_with("~/")) {
    result = variable("HOME");
    at = 1;
  }
  while (at < text.size()) {
    if (text[at] != '$') {
      result.push_back(text[at++]);
      continue;
    }
    const bool braces = at + 1 < text.size() && text[at + 1] == '{';
    size_t begin = at + (braces ? 2 : 1), end = begin;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_')) {
      ++end;
    }
    const std::string name = text.substr(begin, end - begin);
    const char* value = std::getenv(name.c_str());
    const bool closed = !braces || (end < text.size() && text[end] == '}');
    if (braces && closed) ++end;
    result += value != nullptr && closed ? std::string(value) : text.substr(at, end - at);
    at = std::max(end, at + 1);
  }
  return result;
}

fs::path home() {
  const std::string given = variable("HF_HOME");
  if (!given.empty()) return expanded(given);
  const std::string cache = variable("XDG_CACHE_HOME");
  return (cache.empty() ? expanded("~/.cache") : expanded(cache)) / "huggingface";
}

std::string token(const fs::path& home) {
  std::string value = first_of({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"});
  if (value.empty() && !is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
    const std::string given = variable("HF_TOKEN_PATH");
    const fs::path path = given.empty() ? home / "token" : expanded(given);
    if (fs::is_regular_file(path)) {
      value = trimmed(read_file(path, 65536));
      log::add_secret(value);
    }
  }
  const bool printable =
      std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!printable) {
    throw Error(
        ExitStatus::kUsage,
        "the Hub's token (HF_TOKEN or the token file) has invalid characters: copy it again");
  }
  return value;
}

}  // namespace

HubOptions hub_options_from_environment() {
  HubOptions options;
  const std::string endpoint = variable("HF_ENDPOINT");
  if (!endpoint.empty()) options.endpoint = endpoint;
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  if (!options.endpoint.starts_with("https://") && !options.endpoint.starts_with("http://")) {
    throw Error(ExitStatus::kUsage, "the environment variable HF_ENDPOINT is ", quoted(endpoint),
                ": it must begin with https:// or http://");
  }
  const fs::path directory = home();
  const std::string cache = first_of({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  options.cache = cache.empty() ? directory / "hub" : expanded(cache);
  options.token = token(directory);
  options.offline = is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE");
  options.symlinks = !is_true("HF_HUB_DISABLE_SYMLINKS");
  options.api_timeout = seconds("HF_HUB_ETAG_TIMEOUT", options.api_timeout);
  options.download_timeout = seconds("HF_HUB_DOWNLOAD_TIMEOUT", options.download_timeout);
  return options;
}

}  // namespace sdxl
