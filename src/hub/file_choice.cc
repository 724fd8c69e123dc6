#include "hub/file_choice.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/files/glob.h"
#include "base/text.h"
#include "io/model_files.h"

namespace sdxl {
namespace {

using Names = std::vector<std::string>;

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_tokenizer_file(const std::string& name) {
  return name == kMergesFile || name.ends_with(".model");
}

/// The weights of one part: those of the variant if there are any, else those without one.
Names weights_of_part(const std::vector<RepositoryFile>& files, const std::string& part,
                      const std::string& variant) {
  Names plain, special;
  bool pickles = false;
  for (const RepositoryFile& file : files) {
    if (folder_of(file.path) != part) continue;
    const std::string name = file_name(file.path);
    pickles = pickles || is_pickle(name);
    const std::optional<WeightsFileName> weights = parse_weights_file(name);
    if (!weights) continue;
    if (weights->variant.empty()) plain.push_back(file.path);
    if (!variant.empty() && weights->variant == variant) special.push_back(file.path);
  }
  if (plain.empty() && special.empty() && pickles) {
    throw Error(ExitStatus::kBadData, part.empty() ? "the repository" : quoted(part),
                " has its weights only as pickles, which can run code when they are read: convert "
                "them to safetensors");
  }
  return special.empty() ? plain : special;
}

}  // namespace

FileChoice matching(std::vector<std::string> patterns) {
  return [patterns = std::move(patterns)](const std::vector<RepositoryFile>& files) {
    Names names;
    for (const RepositoryFile& file : files) {
      const bool wanted = std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
        const std::string whole = pattern.ends_with('/') ? pattern + "*" : pattern;
        return glob_matches(whole, file.path, GlobStyle::kText);
      });
      if (wanted) names.push_back(file.path);
    }
    return names;
  };
}

FileChoice model_parts(std::vector<std::string> parts, std::string variant) {
  return [parts = std::move(parts),
          variant = std::move(variant)](const std::vector<RepositoryFile>& files) {
    std::set<std::string> names;
    for (const RepositoryFile& file : files) {
      const bool of_part =
          std::find(parts.begin(), parts.end(), folder_of(file.path)) != parts.end();
      if (file.path.ends_with(".json") || (of_part && is_tokenizer_file(file_name(file.path)))) {
        names.insert(file.path);
      }
    }
    for (const std::string& part : parts) {
      const Names weights = weights_of_part(files, part, variant);
      names.insert(weights.begin(), weights.end());
    }
    return Names(names.begin(), names.end());
  };
}

FileChoice lora_weights() {
  return [](const std::vector<RepositoryFile>& files) {
    Names json, weights;
    for (const RepositoryFile& file : files) {
      if (file.path.ends_with(".json")) json.push_back(file.path);
      if (file.path == kLoraWeights) {
        weights = {file.path};
        break;
      }
      if (is_safetensors(file.path) && folder_of(file.path).empty()) {
        weights.push_back(file.path);
      }
    }
    json.insert(json.end(), weights.begin(), weights.end());
    return json;
  };
}

}  // namespace sdxl
