// The option table: each option of a command is written once, as a struct field with its default
// and one line {name, field, help} with the rule that its values keep. Flags, --config files,
// --help, --print_config, the saved config.json and error messages all walk this table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"

namespace sdxl {

/// Two integers written "H,W" on the command line and [H, W] in JSON.
struct IntPair {
  int64_t first = 0, second = 0;
  bool operator==(const IntPair&) const = default;
};

/// Where the value of an option lives, by type. A vector makes a flag that repeats; each value of
/// one of numbers may itself be a list with commas. An optional is unset by "none" (numbers) and
/// null.
using OptionTarget =
    std::variant<bool*, int64_t*, uint64_t*, double*, std::string*, IntPair*,
                 std::optional<int64_t>*, std::optional<uint64_t>*, std::optional<double>*,
                 std::optional<std::string>*, std::optional<IntPair>*, std::vector<std::string>*,
                 std::vector<double>*, std::vector<int64_t>*>;

/// What the value of an option must be like. Checked when it is set, so that the error names it.
struct OptionRule {
  std::vector<std::string> choices = {};  ///< The values that a text may have; empty: any.
  std::optional<double> at_least = {}, above = {}, at_most = {}, below = {};  ///< For numbers.
  std::optional<int64_t> multiple_of = {};                                    ///< For integers.
  bool flag_only = false;            ///< Not in JSON: says what to do now, not how the run is.
  const char* value_name = nullptr;  ///< For help: DIR, FILE, …; by default the type's.
};

struct Option {
  std::string name;  ///< With underscores: the JSON key; as a flag, dashes are taken too.
  OptionTarget target;
  std::string help;
  OptionRule rule = {};
  std::string group = {};  ///< The heading in help.
};

/// Builds the table of a command, one line an option.
class OptionTable {
 public:
  /// The heading that help puts over what is added from here on.
  void group(std::string title) { group_ = std::move(title); }
  void add(std::string name, OptionTarget target, std::string help, OptionRule rule = {});
  std::vector<Option> take() { return std::move(options_); }

 private:
  std::string group_ = "Options";
  std::vector<Option> options_;
};

enum class OptionOrigin { kDefault, kFile, kFlag };

/// The options of one command, bound to the fields of one config object that outlives it.
class OptionSet {
 public:
  explicit OptionSet(std::vector<Option> options);

  const std::vector<Option>& options() const { return options_; }
  /// By name with underscores or dashes; null if there is none.
  const Option* find(const std::string& name) const;
  /// Every name, for near misses.
  std::vector<std::string> names() const;

  /// Sets an option from the texts given to its flag (several only for one that repeats), replacing
  /// what a file had set. A boolean takes "true" and "false". Error(kUsage) names option and value.
  void set_from_flag(const std::string& name, const std::vector<std::string>& values);
  /// Sets every key of a JSON object; unknown keys and wrong types are Error(kUsage) that name
  /// `source` and suggest a near name. Keys that begin with '_' are ignored. Flags already given
  /// win.
  void set_from_json(const Json& object, const std::string& source);

  /// Every option that may stand in a file and its value, in the table's order; secrets are
  /// redacted.
  Json to_json() const;
  Json value(const Option& option) const;
  /// The value of a boolean, of a text, … by name; the name and the type must be the table's.
  template <typename T>
  const T& get(const std::string& name) const {
    return *std::get<T*>(find(name)->target);
  }
  Json default_value(const Option& option) const;
  OptionOrigin origin(const std::string& name) const;
  bool given(const std::string& name) const { return origin(name) != OptionOrigin::kDefault; }

 private:
  size_t index_of(const std::string& name) const;

  std::vector<Option> options_;
  std::vector<Json> defaults_;
  std::vector<OptionOrigin> origins_;
};

}  // namespace sdxl
