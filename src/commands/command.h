// What a command of the sdxl binary is. To add one: a file here that defines a Command and a
// factory for it (std::unique_ptr<Command> make_infer_command()), and the factory's line in
// registry.cc.
//
// A command holds its config (say InferConfig config_) and the OptionSet bound to it
// (OptionSet options_{infer_table(config_)}), in this order, and is neither copied nor moved. The
// command line is applied through options(); --print_config, --log_level and --num_threads are
// dealt with before run(), while --dry_run is run()'s own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/option_table.h"

namespace sdxl {

class Command {
 public:
  virtual ~Command() = default;
  virtual std::string name() const = 0;     ///< As typed: "train-full".
  virtual std::string summary() const = 0;  ///< One line for --help.
  virtual OptionSet& options() = 0;         ///< Bound to this object's config.
  /// The positional arguments' name for help ("" if the command takes none) and their values.
  virtual std::string positional_name() const { return ""; }
  virtual void set_positionals(const std::vector<std::string>&) {}
  /// Checks combinations of options before anything is loaded; Error(kUsage).
  /// Options marked unsupported were refused before.
  virtual void validate() = 0;
  virtual ExitStatus run() = 0;
  /// What to change when memory ran out, in order of effect; "" for a command that needs little.
  virtual std::string memory_advice() const { return ""; }
};

std::vector<std::unique_ptr<Command>> all_commands();

}  // namespace sdxl
