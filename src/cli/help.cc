// Help texts: two columns, the right one wrapped.
#include "cli/help.h"

#include <algorithm>

#include "base/text.h"
#include "config/option_values.h"

namespace sdxl {
namespace {

constexpr size_t kWidth = 100, kColumn = 34;

using Words = std::vector<std::string>;

/// `left` at `indent`, `words` wrapped beside it from column kColumn on.
std::string row(const std::string& left, const Words& words, size_t indent = 2) {
  std::string out = std::string(indent, ' ') + left;
  size_t used = out.size();
  if (used + 2 > kColumn) used = kWidth;  // the words begin on a line of their own
  for (const std::string& word : words) {
    if (used + 1 + word.size() > kWidth) {
      out += '\n';
      used = 0;
    }
    const size_t gap = used < kColumn ? kColumn - used : 1;
    out += std::string(gap, ' ') + word;
    used += gap + word.size();
  }
  return out + '\n';
}

std::string flag_text(const Option& option) {
  if (is_boolean(option)) return "--[no_]" + option.name;
  return str("--", option.name, " ", value_name(option));
}

/// "(default: 1)"; nothing where there is none worth saying.
std::string default_text(const Json& value) {
  if (value.is_null() || value.is_boolean() || (value.is_array() && value.empty())) {
    return value == true ? "(default: on)" : "";
  }
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    return text.empty() ? "" : str("(default: ", text, ")");
  }
  if (value.is_array()) return str("(default: ", value[0], ",", value[1], ")");
  if (value.is_number_float()) return str("(default: ", value.get<double>(), ")");
  return str("(default: ", value.dump(), ")");
}

std::string option_row(const OptionSet& options, const Option& option) {
  Words words = split(option.help, ' ');
  words.push_back(default_text(options.default_value(option)));
  std::erase(words, "");
  return row(flag_text(option), words);
}

}  // namespace

std::string overview_help(const std::vector<std::unique_ptr<Command>>& commands) {
  std::string text =
      "sdxl fine-tunes Stable Diffusion XL and draws with the result.\n\n"
      "Usage: sdxl COMMAND [options]\n\nCommands\n";
  for (const auto& command : commands) text += row(command->name(), split(command->summary(), ' '));
  text += "\n" + row("sdxl COMMAND --help", {"the options of a command"}, 0);
  text += row("sdxl --version", {"the version"}, 0);
  text +=
      "\nExit status: 0 done, 2 options or configuration, 65 malformed model or data, 69 device or "
      "network\nnot to be had, 70 numbers went wrong, 71 out of memory, 74 a file could not be "
      "read or "
      "written,\n75 stopped by a signal after saving, 1 anything else.\n";
  return text;
}

std::string command_help(Command& command) {
  const std::string positional = command.positional_name();
  std::string text =
      str("sdxl ", command.name(), ": ", command.summary(), "\n\nUsage: sdxl ", command.name(),
          " [options]", positional.empty() ? "" : " " + positional, "\n");
  const OptionSet& options = command.options();
  std::string group;
  for (const Option& option : options.options()) {
    if (option.group != group) text += "\n" + option.group + "\n";
    group = option.group;
    text += option_row(options, option);
  }
  text += "\nUnderscores and dashes in names are alike.";
  if (options.find("config") != nullptr) {
    text += " The names are also the keys of --config's JSON; flags\noverride the file.";
  }
  text += '\n';
  return text;
}

}  // namespace sdxl
