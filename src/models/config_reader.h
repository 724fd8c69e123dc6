// Reads a model's config.json. Each key is read, accepted at its supported values only, or refused
// by name, so that no checkpoint is silently computed wrongly.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"

namespace sdxl {

/// Throws Error(kBadData) with the file, the key and its value.
class ConfigReader {
 public:
  /// `json` must outlive the reader; `source` names it in errors.
  ConfigReader(const Json& json, std::string source);

  // Return the value of `key`, or `fallback` if it is absent or null. Integers must lie in
  // [minimum, maximum].
  int64_t integer(const std::string& key, int64_t fallback, int64_t minimum, int64_t maximum);
  double number(const std::string& key, double fallback);
  bool boolean(const std::string& key, bool fallback);
  std::string text(const std::string& key, const std::string& fallback);
  std::vector<std::string> texts(const std::string& key, const std::vector<std::string>& fallback);
  std::vector<double> numbers(const std::string& key);
  std::vector<int64_t> integers(const std::string& key, const std::vector<int64_t>& fallback,
                                int64_t minimum, int64_t maximum);
  /// Returns `count` integers: the key holds one for all blocks, or a list with one for each.
  std::vector<int64_t> per_block(const std::string& key, size_t count, int64_t fallback,
                                 int64_t minimum, int64_t maximum);

  /// Refuses `key` unless it is absent, null, one of `supported`, or a list of such values.
  void supports(const std::string& key, std::initializer_list<Json> supported);
  /// Refuses null for keys for which null is not the reference's default.
  void refuse_null(std::initializer_list<const char*> keys) const;
  /// Accepts any value of keys that do not change the arithmetic.
  void ignore(std::initializer_list<const char*> keys);
  /// Refuses keys that no call has named, unless they are null, false or begin with "_".
  void refuse_other_keys() const;

  /// Returns the value of `key`, null if it is absent.
  const Json& value(const std::string& key);
  [[noreturn]] void refuse(const std::string& key, const std::string& why) const;

 private:
  int64_t checked(const std::string& key, const Json& value, int64_t minimum,
                  int64_t maximum) const;

  const Json& json_;
  std::string source_;
  std::set<std::string> known_;
};

}  // namespace sdxl
