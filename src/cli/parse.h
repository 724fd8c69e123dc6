// Reads the command line: which command runs, and with which options.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands/command.h"

namespace sdxl {

/// What to do, by the command line.
struct CommandLine {
  Command* command = nullptr;  ///< With its options set; null if there is only `text` to print.
  std::string text;            ///< Help or the version.
  ExitStatus status = ExitStatus::kDone;  ///< For `text`: kUsage if the command is missing.
};

/// Reads `arguments`, without the program's name. Flags override the JSON of --config, which
/// overrides defaults. `--a_b` and `--a-b` are the same flag. A boolean is --x, --no_x or
/// --x=true|false. The last of a repeated flag counts unless the option is repeatable.
/// Error(kUsage) for every mistake.
CommandLine parse_command_line(const std::vector<std::string>& arguments,
                               const std::vector<std::unique_ptr<Command>>& commands);

}  // namespace sdxl
