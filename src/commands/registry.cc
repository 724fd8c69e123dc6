// The commands of the binary, in the order of help. Each is one file here that defines a factory;
// to add one, declare the factory and give it a line in all_commands().
#include "commands/command.h"

namespace sdxl {

std::unique_ptr<Command> make_cache_command();
std::unique_ptr<Command> make_convert_command();
std::unique_ptr<Command> make_devices_command();
std::unique_ptr<Command> make_download_command();
std::unique_ptr<Command> make_infer_command();
std::unique_ptr<Command> make_tokenize_command();
std::unique_ptr<Command> make_train_full_command();
std::unique_ptr<Command> make_train_lora_command();

std::vector<std::unique_ptr<Command>> all_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(make_train_full_command());
  commands.push_back(make_train_lora_command());
  commands.push_back(make_infer_command());
  commands.push_back(make_cache_command());
  commands.push_back(make_download_command());
  commands.push_back(make_convert_command());
  commands.push_back(make_devices_command());
  commands.push_back(make_tokenize_command());
  return commands;
}

}  // namespace sdxl
