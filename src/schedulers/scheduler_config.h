// A scheduler_config.json as the constructor of one scheduler sees it. As in diffusers'
// ConfigMixin.from_config, keys that the constructor asks for take the file's values, all others
// are ignored, so that a model's config serves any scheduler.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"

namespace sdxl {

class SchedulerConfig {
 public:
  /// `overrides` (an object or null) replaces the file's values; `source` names the file and
  /// `scheduler` the algorithm in errors. Keys that start with _ and keys that the file lists in
  /// _use_default_values are not seen.
  SchedulerConfig(const Json& config, const Json& overrides, std::string source,
                  std::string scheduler);

  const std::string& scheduler() const { return scheduler_; }

  // The value of `key`, or `fallback` where the key is absent; null is false for a flag and absent
  // for all else. Error(kBadData) with source, key and value (kUsage for an override) for another
  // type.
  bool flag(const std::string& key, bool fallback) const;
  int64_t integer(const std::string& key, int64_t fallback) const;
  double number(const std::string& key, double fallback) const;
  std::optional<double> optional_number(const std::string& key) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  std::vector<double> numbers(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;

  /// A number that is no key of the file but can be given for a run.
  double run_number(const std::string& key, double fallback) const;

  /// text() that must be one of `allowed`.
  std::string choice(const std::string& key, const std::string& fallback,
                     const std::vector<std::string>& allowed) const;

  /// Throws: the value of `key` won't do for the reason that `remedy` ends.
  [[noreturn]] void refuse(const std::string& key, const std::string& remedy) const;

  /// Error(kUsage) for an override that nothing has asked for, since it would do nothing.
  void check_overrides() const;

 private:
  const Json* find(const std::string& key) const;
  template <typename T>
  T get(const std::string& key, T fallback) const;

  Json config_ = Json::object(), overrides_ = Json::object();
  std::string source_, scheduler_;
  mutable std::set<std::string> asked_;
};

}  // namespace sdxl
