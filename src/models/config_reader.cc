#include "models/config_reader.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

ConfigReader::ConfigReader(const Json& json, std::string source)
    : json_(json), source_(std::move(source)) {
  if (!json_.is_object()) {
    throw Error(ExitStatus::kBadData, escaped(source_),
                " is not a model configuration: it holds no JSON object");
  }
}

const Json& ConfigReader::value(const std::string& key) {
  static const Json null;
  known_.insert(key);
  const auto found = json_.find(key);
  return found == json_.end() ? null : *found;
}

void ConfigReader::refuse(const std::string& key, const std::string& why) const {
  const auto found = json_.find(key);
  const std::string value = found == json_.end() ? "absent" : quoted(found->dump());
  throw bad_data(source_, key, " is ", value, "; ", why);
}

int64_t ConfigReader::checked(const std::string& key, const Json& value, int64_t minimum,
                              int64_t maximum) const {
  if (!value.is_number_integer() || value < minimum || value > maximum) {
    refuse(key, str("integers must lie in ", minimum, " to ", maximum));
  }
  return value.get<int64_t>();
}

int64_t ConfigReader::integer(const std::string& key, int64_t fallback, int64_t minimum,
                              int64_t maximum) {
  const Json& found = value(key);
  return found.is_null() ? fallback : checked(key, found, minimum, maximum);
}

double ConfigReader::number(const std::string& key, double fallback) {
  value(key);
  return json_value(json_, key, fallback, source_);
}

bool ConfigReader::boolean(const std::string& key, bool fallback) {
  value(key);
  return json_value(json_, key, fallback, source_);
}

std::string ConfigReader::text(const std::string& key, const std::string& fallback) {
  value(key);
  return json_value(json_, key, fallback, source_);
}

std::vector<std::string> ConfigReader::texts(const std::string& key,
                                             const std::vector<std::string>& fallback) {
  value(key);
  return json_value(json_, key, fallback, source_);
}

std::vector<double> ConfigReader::numbers(const std::string& key) {
  value(key);
  return json_value(json_, key, std::vector<double>(), source_);
}

std::vector<int64_t> ConfigReader::integers(const std::string& key,
                                            const std::vector<int64_t>& fallback, int64_t minimum,
                                            int64_t maximum) {
  const Json& found = value(key);
  if (found.is_null()) return fallback;
  if (!found.is_array() || found.empty()) refuse(key, "it must be a list of integers");
  std::vector<int64_t> result;
  for (const Json& item : found) result.push_back(checked(key, item, minimum, maximum));
  return result;
}

std::vector<int64_t> ConfigReader::per_block(const std::string& key, size_t count, int64_t fallback,
                                             int64_t minimum, int64_t maximum) {
  if (!value(key).is_array()) {
    return std::vector<int64_t>(count, integer(key, fallback, minimum, maximum));
  }
  std::vector<int64_t> result = integers(key, {}, minimum, maximum);
  if (result.size() != count)
    refuse(key, str("it must have one number for each of ", count, " blocks"));
  return result;
}

void ConfigReader::supports(const std::string& key, std::initializer_list<Json> supported) {
  const Json& found = value(key);
  const auto is_supported = [&](const Json& item) {
    return std::find(supported.begin(), supported.end(), item) != supported.end();
  };
  if (found.is_null() || is_supported(found)) return;
  if (found.is_array() && std::all_of(found.begin(), found.end(), is_supported)) return;
  std::vector<std::string> names;
  for (const Json& item : supported) names.push_back(item.dump());
  refuse(key,
         str("this is not supported, only ", names.empty() ? "null" : join(names, " or "), " is"));
}

void ConfigReader::refuse_null(std::initializer_list<const char*> keys) const {
  for (const char* key : keys) {
    const auto found = json_.find(key);
    if (found != json_.end() && found->is_null()) refuse(key, "this is not supported");
  }
}

void ConfigReader::ignore(std::initializer_list<const char*> keys) {
  known_.insert(keys.begin(), keys.end());
}

void ConfigReader::refuse_other_keys() const {
  for (const auto& [key, value] : json_.items()) {
    if (known_.contains(key) || key.starts_with('_')) continue;
    if (value.is_null() || value == false) continue;
    refuse(escaped(key),
           "this key is unknown and may change what the model computes; remove it if it "
           "does not");
  }
}

}  // namespace sdxl
