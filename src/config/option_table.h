// The option table. Each option of a command is written once: a field of a config struct with its
// default, and a row {name, field, help, rule}. Flags, --config files, --help, --print_config,
// error messages, resume checks, model cards and prompt files all walk the table.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "config/option.h"

namespace sdxl {

/// Builds the table of a command, one call per option.
class OptionTable {
 public:
  /// Sets the heading in help for the options added from here on.
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
  /// Finds an option by its name with underscores or dashes; null if there is none.
  const Option* find(const std::string& name) const;
  std::vector<std::string> names() const;

  /// Sets an option from the texts given to its flag, replacing what a file had set. Only a
  /// repeatable option takes several. A boolean takes "true" and "false". Error(kUsage) names
  /// option and value.
  void set_from_flag(const std::string& name, const std::vector<std::string>& values);
  /// Sets every key of a JSON object except those given as flags; ignores keys that begin with '_'.
  /// Error(kUsage) for unknown keys and wrong types names `source` and suggests a similar name.
  void set_from_json(const Json& object, const std::string& source);

  /// The options that may stand in a file with their values, in the table's order and with secrets
  /// redacted.
  Json to_json() const;
  /// The same without those that may differ between the ranks of a run.
  Json shared_json() const;
  Json value(const Option& option) const;
  /// The value of a boolean, a text, … by name; name and type must be those of the table.
  template <typename T>
  const T& get(const std::string& name) const {
    return *std::get<T*>(find(name)->target);
  }
  Json default_value(const Option& option) const;
  /// Whether the value differs from the default.
  bool is_set(const Option& option) const { return value(option) != default_value(option); }
  OptionOrigin origin(const std::string& name) const;
  bool given(const std::string& name) const { return origin(name) != OptionOrigin::kDefault; }

 private:
  size_t index_of(const std::string& name) const;

  std::vector<Option> options_;
  std::vector<Json> defaults_;
  std::vector<OptionOrigin> origins_;
};

}  // namespace sdxl
