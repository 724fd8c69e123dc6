// The command line: which command, and its options by CLI11 over the option table.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands/command.h"

namespace sdxl {

/// What a command line asks for.
struct CommandLine {
  Command* command = nullptr;  ///< With its options set; null when there is only text to print.
  std::string text;            ///< Help or the version.
  ExitStatus status =
      ExitStatus::kDone;  ///< With text: kUsage if it was printed for want of a command.
};

/// Reads `arguments` (without the program's name). Flags override the JSON of --config, which
/// overrides defaults; `--a_b` and `--a-b` are the same flag; a boolean is --x, --no_x or
/// --x=true|false; the last of a repeated flag counts, unless it is one that repeats. Error(kUsage)
/// for everything that is wrong.
CommandLine parse_command_line(const std::vector<std::string>& arguments,
                               const std::vector<std::unique_ptr<Command>>& commands);

}  // namespace sdxl
