// CLI11 would drop an empty value, split values in brackets and take a flag as the value of
// another. So each value reaches it as one token `--name==value`, whatever the value contains.
#include "cli/parse.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

#include "base/text.h"
#include "base/version.h"
#include "cli/help.h"
#include "config/option_values.h"

namespace sdxl {
namespace {

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  throw Error(ExitStatus::kUsage, parts...);
}

std::string suggestion(const std::string& prefix, const std::string& name,
                       const std::vector<std::string>& candidates, const std::string& otherwise) {
  const std::string near = nearest(name, candidates);
  return near.empty() ? "; " + otherwise : "; did you mean '" + prefix + near + "'?";
}

/// Turns the arguments of a command into tokens that CLI11 cannot misread.
class Canonicalizer {
 public:
  explicit Canonicalizer(Command& command) : command_(command), options_(command.options()) {}

  std::vector<std::string> run(std::vector<std::string> arguments) {
    arguments_ = std::move(arguments);
    for (next_ = 0; next_ < arguments_.size();) {
      const std::string& argument = arguments_[next_++];
      if (argument == "--") {
        while (next_ < arguments_.size()) add_positional(arguments_[next_++]);
      } else if (argument.starts_with("--")) {
        add_flag(argument);
      } else if (argument == "-h") {
        tokens_.push_back("--help");
      } else if (argument.size() > 1 && argument[0] == '-') {
        refuse("unknown option ", quoted(argument), "; options begin with --");
      } else {
        add_positional(argument);
      }
    }
    return std::move(tokens_);
  }

 private:
  void add_value(const std::string& name, const std::string& value) {
    tokens_.push_back("--" + name + "==" + value);
  }

  void add_positional(const std::string& argument) {
    if (command_.positional_name().empty()) {
      refuse("unexpected argument ", quoted(argument),
             ": options begin with --; write a boolean as --x, --no_x or --x=true");
    }
    tokens_.push_back("=" + argument);
  }

  void add_flag(const std::string& argument) {
    const size_t sign = argument.find('=');
    const bool has_value = sign != std::string::npos;
    const std::string value = has_value ? argument.substr(sign + 1) : "";
    std::string name = argument.substr(2, has_value ? sign - 2 : sign);
    std::replace(name.begin(), name.end(), '-', '_');
    if (name == "help" && !has_value) {
      tokens_.push_back("--help");
    } else if (const Option* option = options_.find(name)) {
      add_value(name, has_value ? value : is_boolean(*option) ? "true" : next_value(name));
    } else {
      add_negated(argument, name, has_value);
    }
  }

  void add_negated(const std::string& argument, const std::string& name, bool has_value) {
    const Option* option = name.starts_with("no_") ? options_.find(name.substr(3)) : nullptr;
    if (option == nullptr || !is_boolean(*option)) {
      refuse("unknown option ", quoted(argument.substr(0, argument.find('='))),
             suggestion("--", name, options_.names(),
                        str("'sdxl ", command_.name(), " --help' lists the options")));
    }
    if (has_value) refuse(quoted(argument), ": --no_", option->name, " takes no value");
    add_value(option->name, "false");
  }

  std::string next_value(const std::string& name) {
    if (next_ == arguments_.size()) refuse("--", name, " needs a value");
    const std::string& value = arguments_[next_++];
    if (value.starts_with("--")) {
      refuse("--", name, " needs a value before ", quoted(value),
             "; write a value that begins with -- as --", name, "=--…");
    }
    return value;
  }

  Command& command_;
  OptionSet& options_;
  std::vector<std::string> arguments_, tokens_;
  size_t next_ = 0;
};

/// The values without the '=' that the canonical form puts before them.
std::vector<std::string> plain_values(const CLI::Option& option) {
  std::vector<std::string> values;
  for (const std::string& text : option.results()) values.push_back(text.substr(1));
  return values;
}

/// Sets the command's options and positional arguments; false for --help.
bool parse_options(Command& command, const std::vector<std::string>& arguments) {
  OptionSet& options = command.options();
  CLI::App app;
  app.set_help_flag("--help");
  std::vector<CLI::Option*> flags;
  for (const Option& option : options.options()) {
    flags.push_back(
        app.add_option("--" + option.name)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll));
  }
  CLI::Option* positionals = app.add_option("positionals")
                                 ->allow_extra_args()
                                 ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);

  std::vector<std::string> tokens = Canonicalizer(command).run(arguments);
  std::reverse(tokens.begin(), tokens.end());  // the order that CLI11 expects
  try {
    app.parse(std::move(tokens));
  } catch (const CLI::CallForHelp&) {
    return false;
  } catch (const CLI::Error& error) {
    refuse(escaped(error.what()));
  }
  for (size_t i = 0; i < flags.size(); ++i) {
    if (flags[i]->count() == 0) continue;
    options.set_from_flag(options.options()[i].name, plain_values(*flags[i]));
  }
  if (positionals->count() > 0) command.set_positionals(plain_values(*positionals));
  return true;
}

void apply_config_file(OptionSet& options) {
  if (options.find("config") == nullptr) return;
  const auto& path = options.get<std::optional<std::string>>("config");
  if (!path) return;
  Json json;
  try {
    json = read_json(*path);
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kBadData) throw;
    throw Error(ExitStatus::kUsage, "--config ", error.what());
  }
  options.set_from_json(json, *path);
}

Command& find_command(const std::string& name,
                      const std::vector<std::unique_ptr<Command>>& commands) {
  std::vector<std::string> names;
  for (const auto& command : commands) {
    if (command->name() == name) return *command;
    names.push_back(command->name());
  }
  if (!name.empty() && name[0] == '-') {
    refuse("unknown option ", quoted(name), " before a command; the commands are ",
           join(names, ", "));
  }
  std::string dashed = name;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  refuse("unknown command ", quoted(name),
         suggestion("", dashed, names, "the commands are " + join(names, ", ")));
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments,
                               const std::vector<std::unique_ptr<Command>>& commands) {
  if (arguments.empty()) return {nullptr, overview_help(commands), ExitStatus::kUsage};
  const std::string& first = arguments[0];
  if (first == "--help" || first == "-h") return {nullptr, overview_help(commands)};
  if (first == "--version") return {nullptr, str("sdxl ", version(), "\n")};
  Command& command = find_command(first, commands);
  if (!parse_options(command, {arguments.begin() + 1, arguments.end()})) {
    return {nullptr, command_help(command)};
  }
  apply_config_file(command.options());
  return {&command, ""};
}

}  // namespace sdxl
