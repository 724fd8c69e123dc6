// Reading a model's config.json: every key is either understood, at the one value that is
// supported, or refused by name, so that no checkpoint is computed wrongly in silence.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"

namespace sdxl {

/// Errors are Error(kBadData) with the file, the key and its value.
class ConfigReader {
 public:
  /// `json` outlives the reader; `source` names it in errors.
  ConfigReader(const Json& json, std::string source);

  /// A number in [minimum, maximum]; `fallback` where the key is absent or null.
  int64_t integer(const std::string& key, int64_t fallback, int64_t minimum, int64_t maximum);
  double number(const std::string& key, double fallback);
  bool boolean(const std::string& key, bool fallback);
  std::string text(const std::string& key, const std::string& fallback);
  std::vector<std::string> texts(const std::string& key, const std::vector<std::string>& fallback);
  std::vector<double> numbers(const std::string& key);
  std::vector<int64_t> integers(const std::string& key, const std::vector<int64_t>& fallback,
                                int64_t minimum, int64_t maximum);
  /// One number for all of `count` blocks, or a list with one for each.
  std::vector<int64_t> per_block(const std::string& key, size_t count, int64_t fallback,
                                 int64_t minimum, int64_t maximum);

  /// Refuses every value of `key` that is not one of `supported`, nor absent, nor a list of nothing
  /// but supported values.
  void supports(const std::string& key, std::initializer_list<Json> supported);
  /// Refuses a null where the reference's default is something else.
  void refuse_null(std::initializer_list<const char*> keys) const;
  /// Keys without meaning for the arithmetic.
  void passes_over(std::initializer_list<const char*> keys);
  /// Refuses what no call has named: keys that are neither null nor false nor begin with "_".
  void refuse_other_keys() const;

  /// The value of `key`, null where it is absent.
  const Json& value(const std::string& key);
  [[noreturn]] void fail(const std::string& key, const std::string& why) const;

 private:
  int64_t checked(const std::string& key, const Json& value, int64_t minimum,
                  int64_t maximum) const;

  const Json& json_;
  std::string source_;
  std::set<std::string> known_;
};

}  // namespace sdxl
