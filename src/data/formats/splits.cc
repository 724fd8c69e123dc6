#include "data/formats/splits.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/glob.h"
#include "base/text.h"
#include "base/utf8.h"
#include "data/formats/file_kinds.h"

namespace sdxl {
namespace {

using Files = std::vector<std::string>;

// ---- patterns ----------------------------------------------------------------------------------

/// "a{b,c}d" -> "abd", "acd".
Files expand_braces(const std::string& pattern) {
  const size_t open = pattern.find('{'), close = pattern.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {pattern};
  Files expanded;
  for (const std::string& choice : split(pattern.substr(open + 1, close - open - 1), ',')) {
    for (const std::string& rest : expand_braces(pattern.substr(close + 1))) {
      expanded.push_back(pattern.substr(0, open) + choice + rest);
    }
  }
  return expanded;
}

// ---- README.md ---------------------------------------------------------------------------------

struct Config {
  std::string name;
  bool is_default = false;
  std::string directory;
  std::map<std::string, Files> patterns;  ///< By split; empty if names tell the splits.
};

Files texts_of(const YAML::Node& node) {
  if (node.IsScalar()) return {node.as<std::string>()};
  return node.as<Files>();
}

Config read_config(const YAML::Node& node) {
  Config config;
  config.name = node["config_name"].as<std::string>("default");
  config.is_default = node["default"].as<bool>(false);
  config.directory = node["data_dir"].as<std::string>("");
  const YAML::Node data_files = node["data_files"];
  if (!data_files) return config;
  if (data_files.IsMap()) {
    for (const auto& entry : data_files) {
      config.patterns[entry.first.as<std::string>()] = texts_of(entry.second);
    }
  } else if (data_files.IsSequence() && data_files.size() > 0 && data_files[0].IsMap()) {
    for (const YAML::Node& entry : data_files) {
      config.patterns[entry["split"].as<std::string>("train")] = texts_of(entry["path"]);
    }
  } else {
    config.patterns["train"] = texts_of(data_files);
  }
  return config;
}

/// The YAML between the first two lines "---".
std::string front_matter(const std::string& readme) {
  const std::string_view text = without_byte_order_mark(readme);
  if (!text.starts_with("---\n") && !text.starts_with("---\r\n")) return "";
  const size_t begin = text.find('\n') + 1, end = text.find("\n---", begin - 1);
  if (end == std::string_view::npos || end < begin) return "";
  return std::string(text.substr(begin, end - begin + 1));
}

std::vector<Config> read_configs(const std::string& readme, const std::string& source) {
  constexpr size_t kLongest = size_t{1} << 20;
  std::vector<Config> configs;
  const std::string yaml = front_matter(readme);
  try {
    if (yaml.empty() || yaml.size() > kLongest) return configs;
    const YAML::Node node = YAML::Load(yaml);
    if (!node.IsMap() || !node["configs"] || !node["configs"].IsSequence()) return configs;
    for (const YAML::Node& config : node["configs"]) configs.push_back(read_config(config));
  } catch (const YAML::Exception& error) {
    throw Error(ExitStatus::kBadData, str("cannot read the configurations in README.md of ",
                                          quoted(source), ": ", escaped(error.what())));
  }
  return configs;
}

const Config* choose(const std::vector<Config>& configs, const std::string& name,
                     const std::string& source) {
  std::vector<std::string> names;
  for (const Config& config : configs) {
    names.push_back(config.name);
    const bool wanted =
        name.empty() ? config.is_default || config.name == "default" : config.name == name;
    if (wanted) return &config;
  }
  if (configs.empty() && (name.empty() || name == "default")) return nullptr;
  if (configs.size() == 1 && name.empty()) return &configs.front();
  throw Error(
      ExitStatus::kBadData,
      str("the data set ", quoted(source), " has ",
          names.empty() ? "no configurations" : "the configurations " + escaped(join(names, ", ")),
          name.empty() ? "; choose one with --dataset_config_name"
                       : ", but not " + quoted(name) + " (--dataset_config_name)"));
}

// ---- names -------------------------------------------------------------------------------------

const std::map<std::string, Files>& keywords() {
  static const std::map<std::string, Files> words = {
      {"train", {"train", "training"}},
      {"validation", {"validation", "valid", "dev", "val"}},
      {"test", {"test", "testing", "eval", "evaluation"}}};
  return words;
}

bool is_separator(char c) {
  return std::string_view("-._ 0123456789/").find(c) != std::string::npos;
}

/// Whether `text` holds `word` between separators or ends.
bool holds_word(const std::string& text, const std::string& word) {
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || is_separator(text[at - 1])) &&
        (end == text.size() || is_separator(text[end]))) {
      return true;
    }
  }
  return false;
}

bool has_keyword(const std::string& text, const std::string& split) {
  const Files& words = keywords().at(split);
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return holds_word(text, word); });
}

/// data/{split}-ddddd-of-ddddd*.*
std::optional<std::string> split_of_shard(const std::string& file) {
  static const std::string kShape = "-ddddd-of-ddddd";
  if (!file.starts_with("data/") || file.find('/', 5) != std::string::npos) return {};
  for (size_t dash = file.find('-', 5); dash != std::string::npos;
       dash = file.find('-', dash + 1)) {
    if (file.size() < dash + kShape.size()) return {};
    bool fits = dash > 5 && file.find('.', dash + kShape.size()) != std::string::npos;
    for (size_t i = 0; i < kShape.size() && fits; ++i) {
      const char c = file[dash + i];
      fits = kShape[i] == 'd' ? c >= '0' && c <= '9' : c == kShape[i];
    }
    if (fits) return file.substr(5, dash - 5);
  }
  return {};
}

bool is_shard(const std::string& file) { return split_of_shard(file).has_value(); }

bool is_shard_of(const std::string& file, const std::string& split) {
  return split_of_shard(file) == split;
}

/// By a keyword in the names of the file's folders.
bool is_in_folder_of(const std::string& file, const std::string& split) {
  const size_t slash = file.rfind('/');
  return slash != std::string::npos && has_keyword(file.substr(0, slash), split);
}

bool is_named_after(const std::string& file, const std::string& split) {
  return has_keyword(file.substr(file.rfind('/') + 1), split);
}

/// Whether `belongs` holds for one of `files` and one of the splits that have keywords.
bool any_belongs(const Files& files, bool (*belongs)(const std::string&, const std::string&)) {
  return std::any_of(files.begin(), files.end(), [&](const std::string& file) {
    return std::any_of(keywords().begin(), keywords().end(),
                       [&](const auto& entry) { return belongs(file, entry.first); });
  });
}

bool is_passed_over(const std::string& file) {
  static const std::set<std::string> kNames = {"README.md",         "config.json",
                                               "dataset_info.json", "dataset_infos.json",
                                               "dummy_data.zip",    "dataset_dict.json"};
  const size_t slash = file.rfind('/');
  if (kNames.contains(slash == std::string::npos ? file : file.substr(slash + 1))) return true;
  for (const std::string& part : split(file, '/')) {
    if (part.empty() || part[0] == '.' || part.starts_with("__")) return true;
  }
  return false;
}

std::string directory_of_name(const std::string& file) {
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "" : file.substr(0, slash + 1);
}

/// Caption files, and metadata files of the folders above: patterns and keywords often name the
/// pictures alone.
Files with_companions(Files chosen, const Files& files) {
  std::set<std::string> folders = {""};
  for (const std::string& file : chosen) {
    for (size_t slash = file.find('/'); slash != std::string::npos;
         slash = file.find('/', slash + 1)) {
      folders.insert(file.substr(0, slash + 1));
    }
  }
  for (const std::string& file : files) {
    if (is_caption_file(file) ||
        (is_metadata_file(file) && folders.contains(directory_of_name(file)))) {
      chosen.push_back(file);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

}  // namespace

bool matches_pattern(const std::string& path, const std::string& pattern) {
  constexpr size_t kLongest = 1000;
  if (pattern.size() > kLongest) return false;
  for (const std::string& expanded : expand_braces(pattern)) {
    std::string_view text = expanded;
    if (text.starts_with("./")) text.remove_prefix(2);
    if (glob_matches(text, path, GlobStyle::kPath)) return true;
  }
  return false;
}

SplitRules::SplitRules(Files files, const std::string& readme, const std::string& config_name,
                       std::string source)
    : source_(std::move(source)), files_(std::move(files)) {
  std::sort(files_.begin(), files_.end());
  std::erase_if(files_, is_passed_over);
  const std::vector<Config> configs = read_configs(readme, source_);
  if (const Config* config = choose(configs, config_name, source_)) {
    if (!config->directory.empty() && config->directory != ".") {
      directory_ = config->directory + (config->directory.ends_with('/') ? "" : "/");
    }
    patterns_ = config->patterns;
  }
  std::erase_if(files_, [this](const std::string& file) { return !file.starts_with(directory_); });
  if (!patterns_.empty()) {
    by_ = By::kPatterns;
  } else if (std::any_of(files_.begin(), files_.end(), is_shard)) {
    by_ = By::kShards;
  } else if (any_belongs(files_, is_in_folder_of)) {
    by_ = By::kFolders;
  } else if (any_belongs(files_, is_named_after)) {
    by_ = By::kNames;
  }
}

bool SplitRules::contains(const std::string& path, const std::string& split) const {
  if (!path.starts_with(directory_)) return false;
  switch (by_) {
    case By::kPatterns: {
      const auto found = patterns_.find(split);
      return found != patterns_.end() &&
             std::any_of(found->second.begin(), found->second.end(), [&](const std::string& p) {
               return matches_pattern(path, directory_ + p);
             });
    }
    case By::kShards:
      return is_shard_of(path, split);
    case By::kFolders:
      return keywords().contains(split) && is_in_folder_of(path, split);
    case By::kNames:
      return keywords().contains(split) && is_named_after(path, split);
    case By::kNothing:
      break;
  }
  return split == "train";
}

Files SplitRules::files(const std::string& split) const {
  Files chosen;
  std::copy_if(files_.begin(), files_.end(), std::back_inserter(chosen),
               [&](const std::string& file) { return contains(file, split); });
  if (!chosen.empty()) return with_companions(std::move(chosen), files_);
  const Files names = names_of_splits();
  throw Error(ExitStatus::kBadData, "the data set ", quoted(source_), " has no files of the split ",
              quoted(split), names.empty() ? "" : " but of " + escaped(join(names, ", ")));
}

Files SplitRules::names_of_splits() const {
  std::set<std::string> known = {"train"};
  for (const auto& [split, patterns] : patterns_) known.insert(split);
  for (const auto& [split, words] : keywords()) known.insert(split);
  for (const std::string& file : files_) {
    if (const auto shard = split_of_shard(file)) known.insert(*shard);
  }
  Files names;
  for (const std::string& split : known) {
    if (std::any_of(files_.begin(), files_.end(),
                    [&](const std::string& file) { return contains(file, split); })) {
      names.push_back(split);
    }
  }
  return names;
}

}  // namespace sdxl
