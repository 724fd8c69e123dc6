// To add a command: write its file in this folder, declare its maker here, and give it a line in
// the table.
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

namespace {

using MakeCommand = std::unique_ptr<Command> (*)();

/// In the order of --help.
constexpr std::pair<const char*, MakeCommand> kCommands[] = {
    {"train-full", make_train_full_command}, {"train-lora", make_train_lora_command},
    {"infer", make_infer_command},           {"cache", make_cache_command},
    {"download", make_download_command},     {"convert", make_convert_command},
    {"devices", make_devices_command},       {"tokenize", make_tokenize_command},
};

}  // namespace

std::vector<std::unique_ptr<Command>> all_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  for (const auto& [name, make] : kCommands) {
    commands.push_back(make());
    commands.back()->set_name(name);
  }
  return commands;
}

}  // namespace sdxl
