// A scheduler_config.json as a scheduler's constructor reads it. As in diffusers'
// ConfigMixin.from_config, keys that the constructor does not read are ignored, so that a model's
// config serves any scheduler.
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
  /// `scheduler` the algorithm in errors. Ignores keys that start with _ and keys that the file
  /// lists in _use_default_values.
  SchedulerConfig(const Json& config, const Json& overrides, std::string source,
                  std::string scheduler);

  const std::string& scheduler() const { return scheduler_; }

  // Return the value of `key`, or `fallback` if it is absent. null counts as false for a flag, as
  // absent for other types. Error(kBadData), for an override Error(kUsage), if the type is wrong.
  bool flag(const std::string& key, bool fallback) const;
  int64_t integer(const std::string& key, int64_t fallback) const;
  double number(const std::string& key, double fallback) const;
  std::optional<double> optional_number(const std::string& key) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  std::vector<double> numbers(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;

  /// A number that only overrides can give, never the file.
  double run_number(const std::string& key, double fallback) const;

  /// text(), refused unless it is one of `allowed`.
  std::string choice(const std::string& key, const std::string& fallback,
                     const std::vector<std::string>& allowed) const;

  /// Throws an Error that names `key` and its value and ends with `remedy`.
  [[noreturn]] void refuse(const std::string& key, const std::string& remedy) const;

  /// Error(kUsage) for an override that nothing has read: it would have no effect.
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
