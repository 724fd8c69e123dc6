#include "io/pretrained.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/text.h"
#include "io/model_files.h"
#include "io/weight_scales.h"

namespace sdxl {
namespace {

std::vector<std::string> file_names(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string conversion_hint(const std::string& name) {
  if (name.ends_with(".pdparams")) {
    return "load it in ppdiffusers and save it with save_pretrained(DIR, to_diffusers=True, "
           "safe_serialization=True)";
  }
  return "load it in diffusers or transformers and save it with save_pretrained(DIR)";
}

/// Throws the error for a directory without weights.
[[noreturn]] void fail_without_weights(const fs::path& directory, const std::string& stem) {
  const std::string where = quoted(directory.string());
  std::error_code error;
  if (!fs::exists(directory, error)) {
    throw Error(ExitStatus::kBadData, "there is no directory ", where,
                ": give one in diffusers' layout");
  }
  if (!fs::is_directory(directory, error)) {
    throw Error(ExitStatus::kBadData, where, " is not a directory: give the one that holds ", stem,
                kSafetensorsSuffix);
  }
  const std::vector<std::string> names = file_names(directory);
  const auto foreign = std::find_if(names.begin(), names.end(), is_foreign_weights);
  if (foreign != names.end()) {
    throw Error(ExitStatus::kBadData, where, " has its weights in ", quoted(*foreign),
                ", which only its framework can read safely: ", conversion_hint(*foreign));
  }
  if (std::find(names.begin(), names.end(), kModelIndexFile) != names.end()) {
    throw Error(ExitStatus::kBadData, where,
                " is a whole pipeline: give one of its parts, such as its folder unet");
  }
  for (const std::string& name : names) {
    if (!is_safetensors(name)) continue;
    if (name.starts_with(stem + ".")) {
      const size_t begin = stem.size() + 1;
      const size_t end = name.find_first_of(".-", begin);
      throw Error(ExitStatus::kBadData, "no ", stem, kSafetensorsSuffix, " in ", where,
                  ", only the variant ", quoted(name.substr(begin, end - begin)),
                  ": name it with --variant");
    }
    throw Error(ExitStatus::kBadData, "no ", stem, kSafetensorsSuffix, " in ", where, ", but ",
                quoted(name),
                ": a checkpoint in one file must first be converted to diffusers' layout");
  }
  throw Error(ExitStatus::kBadData, "no ", stem, kSafetensorsSuffix, " and no ",
              weights_index_file(stem), " in ", where,
              ": not a model's directory, or its download is not complete");
}

/// The weights or the index of `stem`; empty if there is neither.
fs::path find_weights(const fs::path& directory, const std::string& stem,
                      const std::string& variant) {
  for (const std::string& name : {weights_file(stem, variant), weights_index_file(stem, variant)}) {
    const fs::path path = directory / name;
    std::error_code error;
    if (fs::is_regular_file(path, error)) return path;
  }
  return {};
}

/// Error(kBadData) unless the shard is a file in the index's directory. A downloaded index must not
/// name files elsewhere.
void check_shard_name(const std::string& name, const fs::path& index) {
  const bool plain = name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
  if (plain && name[0] != '.' && is_safetensors(name)) return;
  throw Error(ExitStatus::kBadData, escaped(index.string()), " names ", quoted(name),
              " as a shard: it must be a ", kSafetensorsSuffix, " file beside the index");
}

/// The shard of each tensor.
std::map<std::string, std::string> read_index(const fs::path& index) {
  const Json json = read_json(index);
  const auto found = json.is_object() ? json.find("weight_map") : json.end();
  if (found == json.end() || !found->is_object() || found->empty()) {
    throw Error(ExitStatus::kBadData, escaped(index.string()),
                " has no object \"weight_map\" with the tensors' files");
  }
  std::map<std::string, std::string> map;
  for (const auto& [tensor, shard] : found->items()) {
    if (!shard.is_string()) {
      throw Error(ExitStatus::kBadData, escaped(index.string()), ": the file of ", quoted(tensor),
                  " is not a text");
    }
    map[tensor] = shard.get<std::string>();
    check_shard_name(map[tensor], index);
  }
  return map;
}

std::shared_ptr<SafetensorsFile> open_shard(const fs::path& path, const fs::path& index) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    throw Error(ExitStatus::kBadData, "the shard ", quoted(path.string()), " named by ",
                quoted(index.filename().string()), " is missing: fetch the model again");
  }
  return std::make_shared<SafetensorsFile>(path);
}

const std::map<std::string, std::string> kFormat = {{"format", "pt"}};

uint64_t bytes_of(const PlannedTensor& tensor) {
  return c10::multiply_integers(tensor.shape) * c10::elementSize(tensor.dtype);
}

/// Fills shards in the order given. A tensor larger than the limit gets a shard to itself.
std::vector<std::vector<PlannedTensor>> split_shards(const std::vector<PlannedTensor>& tensors,
                                                     uint64_t limit) {
  std::vector<std::vector<PlannedTensor>> shards;
  std::vector<PlannedTensor> current;
  uint64_t size = 0;
  for (const PlannedTensor& tensor : tensors) {
    const uint64_t bytes = bytes_of(tensor);
    if (bytes > limit) {
      shards.push_back({tensor});
      continue;
    }
    if (size + bytes > limit) {
      shards.push_back(std::move(current));
      current.clear();
      size = 0;
    }
    current.push_back(tensor);
    size += bytes;
  }
  if (!current.empty() || shards.empty()) shards.push_back(std::move(current));
  return shards;
}

}  // namespace

Weights Weights::open(const fs::path& directory, const std::string& stem,
                      const std::string& variant) {
  if (const auto view = read_tensor_view(directory, stem)) {
    return open_parts(view->file, view->parts);
  }
  fs::path found = find_weights(directory, stem, variant);
  if (found.empty() && !variant.empty()) {
    found = find_weights(directory, stem, "");
    if (!found.empty()) {
      log::warning(str("no variant ", quoted(variant), " of ", stem, " in ",
                       quoted(directory.string()), ": using ", found.filename().string()));
    }
  }
  if (found.empty()) fail_without_weights(directory, stem);
  if (found.extension() != ".json") return open_file(found);

  const std::map<std::string, std::string> map = read_index(found);
  Weights weights;
  weights.source_ = directory.string();
  std::map<std::string, std::shared_ptr<SafetensorsFile>> shards;
  for (const auto& [tensor, shard] : map) {
    std::shared_ptr<SafetensorsFile>& file = shards[shard];
    if (!file) weights.files_.push_back(file = open_shard(directory / shard, found));
    if (!file->contains(tensor)) {
      throw Error(ExitStatus::kBadData, "tensor ", quoted(tensor), " is not in ",
                  quoted((directory / shard).string()), ", where ",
                  quoted(found.filename().string()), " says that it is");
    }
  }
  for (const auto& file : weights.files_) weights.add_file(file);
  return weights;
}

Weights Weights::open_file(const fs::path& file) {
  const std::string name = file.filename().string();
  if (is_foreign_weights(name)) {
    throw Error(ExitStatus::kBadData, quoted(file.string()),
                " can only be read safely by its framework: ", conversion_hint(name));
  }
  std::error_code error;
  if (!fs::exists(file, error)) {
    throw Error(ExitStatus::kBadData, "there is no file ", quoted(file.string()));
  }
  Weights weights;
  weights.source_ = file.string();
  weights.files_.push_back(std::make_shared<SafetensorsFile>(file));
  weights.add_file(weights.files_[0]);
  return weights;
}

Weights Weights::open_parts(const fs::path& file, const TensorParts& parts) {
  Weights weights;
  weights.source_ = file.string();
  weights.files_.push_back(std::make_shared<SafetensorsFile>(file));
  const WeightScales scales(*weights.files_[0]);
  std::vector<std::string> missing, unfit;
  for (const auto& [name, part] : parts) {
    if (!weights.files_[0]->contains(part.name)) {
      missing.push_back(part.name);
    } else if (!has_part(weights.files_[0]->tensor(part.name).sizes(), part)) {
      unfit.push_back(part.name);
    } else {
      weights.places_[name] = {weights.files_[0], part.name, {}, part, scales.scale_of(part.name)};
    }
  }
  const std::vector<std::string>& first = missing.empty() ? unfit : missing;
  if (first.empty()) return weights;
  throw Error(ExitStatus::kBadData, quoted(file.string()),
              " does not fit its configs: ", missing.size(), " tensors missing, ", unfit.size(),
              " of the wrong shape, the first ", quoted(first[0]),
              "; --single_file_config names the model whose configs belong to it");
}

Weights Weights::from_tensors(TensorMap tensors, std::string source) {
  Weights weights;
  weights.source_ = std::move(source);
  for (auto& [name, tensor] : tensors) weights.places_[name] = {nullptr, name, std::move(tensor)};
  return weights;
}

void Weights::add_file(const std::shared_ptr<SafetensorsFile>& file) {
  const WeightScales scales(*file);
  for (const SafetensorsEntry& entry : file->entries()) {
    if (scales.is_companion(entry.name)) continue;
    const Place place{file, entry.name, {}, {}, scales.scale_of(entry.name)};
    if (!places_.emplace(entry.name, place).second) {
      throw Error(ExitStatus::kBadData, "tensor ", quoted(entry.name),
                  " is in two files, one of them ", quoted(file->path().string()));
    }
  }
}

std::vector<fs::path> Weights::files() const {
  std::vector<fs::path> paths;
  for (const auto& file : files_) paths.push_back(file->path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> Weights::names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : places_) names.push_back(name);
  return names;
}

bool Weights::contains(const std::string& name) const { return places_.contains(name); }

const Weights::Place& Weights::place(const std::string& name) const {
  const auto found = places_.find(name);
  if (found != places_.end()) return found->second;
  throw Error(ExitStatus::kBadData, escaped(source_), " has no tensor ", quoted(name));
}

at::Tensor Weights::tensor(const std::string& name) const {
  const Place& found = place(name);
  if (!found.file) return found.tensor;
  at::Tensor tensor = found.file->tensor(found.name);
  if (!found.scale.empty()) tensor = scaled_weight(tensor, found.file->tensor(found.scale));
  return found.part ? part_of(tensor, *found.part) : tensor;
}

std::vector<int64_t> Weights::sizes(const std::string& name) const {
  const Place& found = place(name);
  if (found.part) return found.part->shape;
  return (found.file ? found.file->tensor(found.name) : found.tensor).sizes().vec();
}

Weights Weights::renamed(const std::function<std::string(const std::string&)>& rename) const {
  Weights result;
  result.source_ = source_;
  result.files_ = files_;
  for (const auto& [name, place] : places_) {
    const std::string new_name = rename(name);
    if (new_name.empty()) continue;
    if (!result.places_.emplace(new_name, place).second) {
      throw Error(ExitStatus::kBadData, escaped(source_), " has two tensors that stand for ",
                  quoted(new_name), ", one of them ", quoted(name));
    }
  }
  return result;
}

void Weights::release(const std::string& name) const {
  const auto found = places_.find(name);
  if (found != places_.end() && found->second.file) found->second.file->release(found->second.name);
}

void Weights::prefetch(const std::function<bool()>& stop) const {
  for (const auto& file : files_) file->prefetch(stop);
}

Json read_component_config(const fs::path& directory, const std::string& class_name) {
  const fs::path path = directory / kConfigFile;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    const char* remedy = "give a directory in diffusers' layout";
    if (fs::exists(directory / kModelIndexFile, error)) {
      remedy = "it is a whole pipeline, give one of its parts, such as its folder unet";
    }
    throw Error(ExitStatus::kBadData, "no config.json in ", quoted(directory.string()), " for the ",
                class_name, ": ", remedy);
  }
  Json config = read_json(path);
  if (!config.is_object()) {
    throw Error(ExitStatus::kBadData, escaped(path.string()), " does not hold a JSON object");
  }
  const std::string found = json_value<std::string>(config, "_class_name", "", path.string());
  if (!found.empty() && found != class_name) {
    throw Error(ExitStatus::kBadData, escaped(path.string()), " is of class ", quoted(found),
                " where ", class_name, " is needed");
  }
  return config;
}

std::string config_dtype_name(at::ScalarType dtype) {
  if (dtype == at::kHalf) return "float16";
  return dtype == at::kBFloat16 ? "bfloat16" : "float32";
}

void write_pretrained_weights(const fs::path& directory, const std::string& stem,
                              const std::vector<PlannedTensor>& tensors, uint64_t shard_limit) {
  const std::vector<std::vector<PlannedTensor>> shards = split_shards(tensors, shard_limit);
  if (shards.size() == 1) {
    stream_safetensors(directory / weights_file(stem), shards[0], kFormat);
    return;
  }
  uint64_t total = 0;
  std::map<std::string, std::string> map;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = weights_shard_file(stem, i + 1, shards.size());
    for (const PlannedTensor& tensor : shards[i]) {
      map[tensor.name] = name;
      total += bytes_of(tensor);
    }
    stream_safetensors(directory / name, shards[i], kFormat);
  }
  write_json(directory / weights_index_file(stem),
             {{"metadata", {{"total_size", total}}}, {"weight_map", map}});
}

void write_pretrained_weights(const fs::path& directory, const std::string& stem,
                              const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                              uint64_t shard_limit) {
  write_pretrained_weights(directory, stem, planned(tensors), shard_limit);
}

}  // namespace sdxl
