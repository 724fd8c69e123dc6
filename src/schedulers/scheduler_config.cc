#include "schedulers/scheduler_config.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

SchedulerConfig::SchedulerConfig(const Json& config, const Json& overrides, std::string source,
                                 std::string scheduler)
    : source_(std::move(source)), scheduler_(std::move(scheduler)) {
  if (!config.is_object()) {
    throw bad_data(source_, "not a JSON object");
  }
  std::set<std::string> defaults;
  if (auto found = config.find("_use_default_values"); found != config.end() && found->is_array()) {
    for (const Json& key : *found) {
      if (key.is_string()) defaults.insert(key.get<std::string>());
    }
  }
  for (const auto& [key, value] : config.items()) {
    if (!key.starts_with("_") && !defaults.contains(key)) config_[key] = value;
  }
  if (overrides.is_object()) overrides_ = overrides;
}

const Json* SchedulerConfig::find(const std::string& key) const {
  asked_.insert(key);
  if (auto found = overrides_.find(key); found != overrides_.end()) return &*found;
  if (auto found = config_.find(key); found != config_.end()) return &*found;
  return nullptr;
}

template <typename T>
T SchedulerConfig::get(const std::string& key, T fallback) const {
  asked_.insert(key);
  if (!overrides_.contains(key)) return json_value<T>(config_, key, std::move(fallback), source_);
  try {
    return json_value<T>(overrides_, key, std::move(fallback), "--" + key);
  } catch (const Error& error) {
    throw Error(ExitStatus::kUsage, error.what());
  }
}

bool SchedulerConfig::flag(const std::string& key, bool fallback) const {
  const Json* value = find(key);
  return value && value->is_null() ? false : get<bool>(key, fallback);
}

int64_t SchedulerConfig::integer(const std::string& key, int64_t fallback) const {
  return get<int64_t>(key, fallback);
}

double SchedulerConfig::number(const std::string& key, double fallback) const {
  return get<double>(key, fallback);
}

std::optional<double> SchedulerConfig::optional_number(const std::string& key) const {
  const Json* value = find(key);
  if (!value || value->is_null()) return std::nullopt;
  return get<double>(key, 0.0);
}

double SchedulerConfig::run_number(const std::string& key, double fallback) const {
  asked_.insert(key);
  return overrides_.contains(key) ? get<double>(key, fallback) : fallback;
}

std::string SchedulerConfig::text(const std::string& key, const std::string& fallback) const {
  return get<std::string>(key, fallback);
}

std::vector<double> SchedulerConfig::numbers(const std::string& key) const {
  return get<std::vector<double>>(key, {});
}

std::vector<int64_t> SchedulerConfig::integers(const std::string& key) const {
  return get<std::vector<int64_t>>(key, {});
}

std::string SchedulerConfig::choice(const std::string& key, const std::string& fallback,
                                    const std::vector<std::string>& allowed) const {
  std::string value = text(key, fallback);
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
    refuse(key, str("use ", join(allowed, ", ")));
  }
  return value;
}

void SchedulerConfig::refuse(const std::string& key, const std::string& remedy) const {
  const Json* value = find(key);
  const std::string shown = value ? one_line(*value) : "not given";
  const std::string problem = str(
      "the scheduler ", scheduler_, " cannot work with ", escaped(key), " ",
      quoted(value && value->is_string() ? value->get<std::string>() : shown, 80), ": ", remedy);
  if (overrides_.contains(key)) {
    throw Error(ExitStatus::kUsage, "--", escaped(key), ": ", problem);
  }
  throw bad_data(source_, problem);
}

void SchedulerConfig::check_overrides() const {
  for (const auto& [key, value] : overrides_.items()) {
    if (!asked_.contains(key)) refuse(key, "it does not read this setting; leave it out");
  }
}

}  // namespace sdxl
