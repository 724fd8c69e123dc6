// The option table: each option of a command is written once, as a struct field with its default and
// one line {name, field, help}. Flags, --config files, --help, --print_config, the saved config.json
// and error messages all walk this table.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"

namespace sdxl {

/// Two integers written "H,W" on the command line and [H, W] in JSON.
struct IntPair {
  int64_t first = 0, second = 0;
  bool operator==(const IntPair&) const = default;
};

/// Where the value of an option lives, by type. A vector makes a flag that repeats.
using OptionTarget =
    std::variant<bool*, int64_t*, uint64_t*, double*, std::string*, IntPair*, std::optional<int64_t>*,
                 std::optional<uint64_t>*, std::optional<double>*, std::optional<std::string>*,
                 std::optional<IntPair>*, std::vector<std::string>*, std::vector<double>*,
                 std::vector<int64_t>*>;

struct Option {
  std::string name;  ///< With underscores: the JSON key; as a flag, dashes are taken too.
  OptionTarget target;
  std::string help;
  std::vector<std::string> choices = {};  ///< For text: the values it may have; empty: any.
  std::string unsupported = {};  ///< Not empty: a value other than the default is refused with this.
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
  /// `source` and suggest a near name. Keys that begin with '_' are ignored. Flags already given win.
  void set_from_json(const Json& object, const std::string& source);

  /// Every option and its value, in the table's order.
  Json to_json() const;
  Json value(const Option& option) const;
  Json default_value(const Option& option) const;
  OptionOrigin origin(const std::string& name) const;
  bool given(const std::string& name) const { return origin(name) != OptionOrigin::kDefault; }

  /// Refuses options marked unsupported that were changed from their default.
  void refuse_unsupported() const;

 private:
  std::vector<Option> options_;
  std::vector<Json> defaults_;
  std::vector<OptionOrigin> origins_;
};

}  // namespace sdxl
