// Help texts, made from the commands and their option tables.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands/command.h"

namespace sdxl {

/// `sdxl --help`
std::string overview_help(const std::vector<std::unique_ptr<Command>>& commands);

/// `sdxl COMMAND --help`: the options that the command takes, by group and with their defaults.
std::string command_help(Command& command);

}  // namespace sdxl
