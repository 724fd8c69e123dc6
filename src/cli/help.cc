#include "cli/help.h"

#include <algorithm>

#include "base/text.h"
#include "config/option_rules.h"
#include "config/option_values.h"

namespace sdxl {
namespace {

constexpr size_t kWidth = 100, kColumn = 34;

using Words = std::vector<std::string>;

/// Prints `left` at `indent` and wraps `words` to its right, from column kColumn on.
std::string row(const std::string& left, const Words& words, size_t indent = 2) {
  std::string out = std::string(indent, ' ') + left;
  size_t used = out.size();
  if (used + 2 > kColumn) used = kWidth;  // begin the words on the next line
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

/// "1", "1024,1024"; "" for a default not worth showing.
std::string default_text(const Json& value) {
  if (value.is_boolean()) return value == true ? "on" : "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return value.empty() ? "" : str(value[0], ",", value[1]);
  if (value.is_number_float()) return str(value.get<double>());
  return value.is_null() ? "" : one_line(value);
}

/// "repeatable", "needs --lora", "default: 1".
std::vector<std::string> notes(const OptionSet& options, const Option& option) {
  const OptionRule& rule = option.rule;
  std::vector<std::string> notes;
  if (is_repeatable(option)) notes.emplace_back("repeatable");
  if (!rule.needs.empty()) notes.push_back("needs " + alternatives(rule.needs, "--"));
  if (rule.only_with) {
    const auto& [name, choices] = *rule.only_with;
    notes.push_back(str("with --", name, " ", alternatives(choices)));
  }
  const std::string value =
      rule.unset_means != nullptr ? rule.unset_means : default_text(options.default_value(option));
  if (!value.empty()) notes.push_back("default: " + value);
  return notes;
}

std::string option_row(const OptionSet& options, const Option& option) {
  Words words = split(option.help, ' ');
  const std::vector<std::string> all = notes(options, option);
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string note = (i == 0 ? "(" : "") + all[i] + (i + 1 < all.size() ? ";" : ")");
    if (all[i].starts_with("default: ")) {
      words.push_back(note);  // on one line
    } else {
      for (std::string& word : split(note, ' ')) words.push_back(std::move(word));
    }
  }
  return row(flag_text(option), words);
}

constexpr const char* kExitStatuses[][2] = {
    {"0", "success"},
    {"1", "any other failure"},
    {"2", "invalid options or configuration"},
    {"65", "malformed model or data"},
    {"69", "device or network unavailable"},
    {"70", "NaN or infinity"},
    {"71", "out of memory"},
    {"74", "a file cannot be read or written"},
    {"75", "stopped by a signal, after saving"},
};

}  // namespace

std::string overview_help(const std::vector<std::unique_ptr<Command>>& commands) {
  std::string text =
      "sdxl fine-tunes Stable Diffusion XL and generates images with the result.\n\n"
      "Usage: sdxl COMMAND [options]\n\nCommands\n";
  for (const auto& command : commands) text += row(command->name(), split(command->summary(), ' '));
  text += "\n" + row("sdxl COMMAND --help", {"print the options of a command"}, 0);
  text += row("sdxl --version", {"print the version"}, 0);
  text += "\nExit statuses\n";
  for (const auto& [status, meaning] : kExitStatuses) text += row(status, split(meaning, ' '));
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
    const char* const other = option.rule.only_for;
    if (other != nullptr && other != command.name()) continue;
    if (option.group != group) text += "\n" + option.group + "\n";
    group = option.group;
    text += option_row(options, option);
  }
  text += "\nOptions may be written with dashes or underscores.\n";
  if (options.find("config") != nullptr) {
    text += "The same names are the keys of --config's JSON. Flags override the file.\n";
  }
  return text;
}

}  // namespace sdxl
