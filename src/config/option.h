// One option of a command, which is one row of the option table: its name, the field that holds its
// value, its help, and a rule that says everything else about it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sdxl {

/// Two integers written "H,W" on the command line and [H, W] in JSON.
struct IntPair {
  int64_t first = 0, second = 0;
  bool operator==(const IntPair&) const = default;
};

/// The field that holds an option's value, by type. A vector makes a flag repeatable; each value
/// for a vector of numbers may itself be a list with commas. An optional is unset by "none"
/// (numbers) and null.
using OptionTarget =
    std::variant<bool*, int64_t*, uint64_t*, double*, std::string*, IntPair*,
                 std::optional<int64_t>*, std::optional<uint64_t>*, std::optional<double>*,
                 std::optional<std::string>*, std::optional<IntPair>*, std::vector<std::string>*,
                 std::vector<double>*, std::vector<int64_t>*>;

/// What a training option shapes. This decides whether a resumed run may change it.
enum class Shapes {
  kResult,       ///< The result: the value must stay.
  kNothing,      ///< Only how, where or how often something is done: the value may change.
  kSampleCount,  ///< The samples of a step: their number over all ranks must stay.
  kLength,       ///< The number of steps: must stay if the learning rate depends on it.
  kData,         ///< Where the data lies: may change where the data is known by what it holds.
  kWeights,      ///< Where frozen weights lie: likewise.
};

/// Holds while another option has one of these values.
struct OptionCondition {
  const char* option;
  std::vector<std::string> choices;
};

/// Everything about an option besides its name, type and help.
struct OptionRule {
  /// Every training option states it, and a test fails for one that does not.
  std::optional<Shapes> shapes = {};

  // Allowed values, checked as soon as the option is read so that the error names it.
  std::vector<std::string> choices = {};  ///< For strings; empty: any.
  std::optional<double> at_least = {}, above = {}, at_most = {}, below = {};  ///< For numbers.
  std::optional<int64_t> multiple_of = {};                                    ///< For integers.

  // When the option applies, which help shows too. It is "set" if it differs from its default.
  /// Refused by the other commands that share the table.
  const char* only_for = nullptr;
  /// Refused unless one of these options is set.
  std::vector<std::string> needs = {};
  /// Has no effect otherwise, and a warning says so.
  std::optional<OptionCondition> only_with = {};

  // Where the option may be written.
  bool flag_only = false;    ///< Not in files: says what to do now, not what the run is.
  bool start_only = false;   ///< Not saved with a run: says how to start in its directory.
  bool per_process = false;  ///< May differ between the ranks of a run.
  bool per_picture = false;  ///< A line of --prompt_file may set it.

  // For help.
  const char* value_name = nullptr;   ///< DIR, FILE, …; by default the type's.
  const char* unset_means = nullptr;  ///< The default in words, for an option without a value.
};

struct Option {
  std::string name;  ///< With underscores: the JSON key; as a flag, dashes are taken too.
  OptionTarget target;
  std::string help;
  OptionRule rule = {};
  std::string group = {};  ///< The heading in help.
};

}  // namespace sdxl
