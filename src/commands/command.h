// The interface of a command of the sdxl binary; registry.cc lists them and says how to add one.
//
// A command holds its config (InferConfig config_) and, after it, the OptionSet bound to it
// (OptionSet options_{infer_table(config_)}); it is neither copied nor moved. The caller applies
// the command line to options() and handles --print_config, --log_level and --num_threads before
// run(). --dry_run is left to run().
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/option_table.h"

namespace sdxl {

class Command {
 public:
  virtual ~Command() = default;
  /// As typed: "train-full". The registry's table sets it.
  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }

  virtual std::string summary() const = 0;  ///< One line for --help.
  virtual OptionSet& options() = 0;         ///< Bound to this object's config.
  /// The positional arguments' name in --help; "" if the command takes none.
  virtual std::string positional_name() const { return ""; }
  virtual void set_positionals(const std::vector<std::string>&) {}
  /// Checks combinations of options before anything is loaded; Error(kUsage). The caller has
  /// checked the rules of the options' rows.
  virtual void validate() = 0;
  virtual ExitStatus run() = 0;
  /// Options to try when memory ran out, the most effective first; "" if there are none.
  virtual std::string memory_advice() const { return ""; }

 private:
  std::string name_;
};

/// One of each, in the order of --help.
std::vector<std::unique_ptr<Command>> all_commands();

}  // namespace sdxl
