// Which files of a repository are needed.
#include <fnmatch.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "hub/resolve.h"
#include "io/lora_names.h"

namespace sdxl {
namespace {

using Names = std::vector<std::string>;

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_tokenizer_file(const std::string& name) {
  return name == "merges.txt" || name.ends_with(".model");
}

bool is_pickle(const std::string& name) {
  return name.ends_with(".bin") || name.ends_with(".ckpt") || name.ends_with(".pt") ||
         name.ends_with(".pdparams");
}

// "model", "fp16" for model.fp16.safetensors, model.fp16-00001-of-00002.safetensors and, as older
// files have it, model-00001-of-00002.fp16.safetensors; nothing for other names.
struct WeightName {
  std::string stem, variant;
};

bool is_shard_number(std::string_view text) {  // 00001-of-00002
  return text.size() == 14 && text.substr(5, 4) == "-of-";
}

bool parse_weight_name(std::string name, WeightName* weight) {
  constexpr std::string_view kEnding = ".safetensors";
  if (!name.ends_with(kEnding)) return false;
  name.resize(name.size() - kEnding.size());
  const auto drop_shard = [](std::string* text) {
    if (text->size() < 15 || !is_shard_number(std::string_view(*text).substr(text->size() - 14)) ||
        (*text)[text->size() - 15] != '-') {
      return;
    }
    text->resize(text->size() - 15);
  };
  drop_shard(&name);
  const size_t dot = name.find('.');
  *weight = {name.substr(0, dot), dot == std::string::npos ? "" : name.substr(dot + 1)};
  drop_shard(&weight->stem);
  return weight->stem == "diffusion_pytorch_model" || weight->stem == "model";
}

// The weights of one part: the variant's where there are any, else the plain ones.
Names weights_of_part(const std::vector<RepositoryFile>& files, const std::string& part,
                      const std::string& variant) {
  Names plain, special;
  bool pickles = false;
  for (const RepositoryFile& file : files) {
    if (directory_of(file.path) != part) continue;
    const std::string name = file_name(file.path);
    WeightName weight;
    pickles = pickles || is_pickle(name);
    if (!parse_weight_name(name, &weight)) continue;
    if (weight.variant.empty()) plain.push_back(file.path);
    if (!variant.empty() && weight.variant == variant) special.push_back(file.path);
  }
  if (plain.empty() && special.empty() && pickles) {
    throw Error(ExitStatus::kBadData,
                str(part.empty() ? "the repository" : quoted(part),
                    " has its weights as pickles "
                    "only, which can run code when they are read; convert them to safetensors"));
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
        return ::fnmatch(whole.c_str(), file.path.c_str(), 0) == 0;
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
          std::find(parts.begin(), parts.end(), directory_of(file.path)) != parts.end();
      if (file.path.ends_with(".json") || (of_part && is_tokenizer_file(file_name(file.path)))) {
        names.insert(file.path);
      }
    }
    for (const std::string& part : parts)
      names.merge([&] {
        const Names weights = weights_of_part(files, part, variant);
        return std::set<std::string>(weights.begin(), weights.end());
      }());
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
      if (file.path.ends_with(".safetensors") && directory_of(file.path).empty()) {
        weights.push_back(file.path);
      }
    }
    json.insert(json.end(), weights.begin(), weights.end());
    return json;
  };
}

}  // namespace sdxl
