// The commands of the binary, in the order of help. Each is one file here that defines a factory;
// to add one, declare the factory and give it a line in all_commands().
#include "commands/command.h"

namespace sdxl {

std::vector<std::unique_ptr<Command>> all_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  return commands;
}

}  // namespace sdxl
