#include "config/option_table.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "config/option_values.h"

namespace sdxl {
namespace {

std::string with_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

void redact(Json& value) {
  if (value.is_string()) {
    value = log::redacted(value.get<std::string>());
  } else if (value.is_array()) {
    for (Json& item : value) redact(item);
  }
}

}  // namespace

void OptionTable::add(std::string name, OptionTarget target, std::string help, OptionRule rule) {
  options_.push_back({std::move(name), target, std::move(help), std::move(rule), group_});
}

OptionSet::OptionSet(std::vector<Option> options)
    : options_(std::move(options)), origins_(options_.size(), OptionOrigin::kDefault) {
  for (const Option& option : options_) defaults_.push_back(option_json(option));
}

size_t OptionSet::index_of(const std::string& name) const {
  const Option* option = find(name);
  if (option == nullptr) throw std::logic_error("unknown option " + name);
  return static_cast<size_t>(option - options_.data());
}

const Option* OptionSet::find(const std::string& name) const {
  const std::string wanted = with_underscores(name);
  const auto found = std::find_if(options_.begin(), options_.end(),
                                  [&](const Option& option) { return option.name == wanted; });
  return found == options_.end() ? nullptr : &*found;
}

std::vector<std::string> OptionSet::names() const {
  std::vector<std::string> names;
  for (const Option& option : options_) names.push_back(option.name);
  return names;
}

void OptionSet::set_from_flag(const std::string& name, const std::vector<std::string>& values) {
  const size_t index = index_of(name);
  assign_texts(options_[index], values);
  origins_[index] = OptionOrigin::kFlag;
}

void OptionSet::set_from_json(const Json& object, const std::string& source) {
  if (!object.is_object()) {
    throw Error(ExitStatus::kUsage, escaped(source),
                ": must be a JSON object that maps option names to values");
  }
  for (const auto& [key, value] : object.items()) {
    if (!key.empty() && key[0] == '_') continue;
    const Option* option = find(key);
    if (option == nullptr) {
      const std::string near = nearest(with_underscores(key), names());
      throw Error(ExitStatus::kUsage, escaped(source), ": unknown key ", quoted(key),
                  near.empty() ? "; --help lists the options" : "; did you mean '" + near + "'?");
    }
    if (option->rule.flag_only) {
      throw Error(ExitStatus::kUsage, escaped(source), ": ", option->name,
                  " cannot be set in a file: give it as a flag");
    }
    const size_t index = index_of(key);
    if (origins_[index] == OptionOrigin::kFlag) continue;
    assign_json(*option, value, source);
    origins_[index] = OptionOrigin::kFile;
  }
}

Json OptionSet::to_json() const {
  Json json = Json::object();
  for (const Option& option : options_) {
    if (!option.rule.flag_only) redact(json[option.name] = option_json(option));
  }
  return json;
}

Json OptionSet::shared_json() const {
  Json json = to_json();
  for (const Option& option : options_) {
    if (option.rule.per_process) json.erase(option.name);
  }
  return json;
}

Json OptionSet::value(const Option& option) const { return option_json(option); }

Json OptionSet::default_value(const Option& option) const {
  return defaults_[static_cast<size_t>(&option - options_.data())];
}

OptionOrigin OptionSet::origin(const std::string& name) const { return origins_[index_of(name)]; }

}  // namespace sdxl
