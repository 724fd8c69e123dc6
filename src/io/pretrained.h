// Components in the layout of diffusers and transformers: a directory with config.json and weights,
// with or without a variant, in one file or sharded.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "io/safetensors.h"
#include "io/tensor_view.h"

namespace sdxl {

/// The tensors of a component, from one or more files. 8-bit weights with scales (weight_scales.h)
/// are their scaled numbers in float32, computed at each call; their scales are not listed.
class Weights {
 public:
  /// Opens `stem`[.variant].safetensors or its index. Falls back to the names without the variant,
  /// with a warning. `stem` is kDiffusersStem or kTransformersStem. Error(kBadData) names a missing
  /// file or shard, and says how to convert pickles.
  static Weights open(const std::filesystem::path& directory, const std::string& stem,
                      const std::string& variant = "");
  /// Opens one file.
  static Weights open_file(const std::filesystem::path& file);
  /// Opens parts of one file. Error(kBadData) names a part that is missing or does not fit.
  static Weights open_parts(const std::filesystem::path& file, const TensorParts& parts);
  /// Takes tensors in memory; `source` names them in errors.
  static Weights from_tensors(TensorMap tensors, std::string source);

  std::vector<std::string> names() const;
  bool contains(const std::string& name) const;
  at::Tensor tensor(const std::string& name) const;
  /// The shape of tensor(name).
  std::vector<int64_t> sizes(const std::string& name) const;
  /// The file or directory, for error messages.
  const std::string& source() const { return source_; }
  /// The files sorted by name; none for tensors in memory.
  std::vector<std::filesystem::path> files() const;
  /// The same tensors under new names; leaves out those for which `rename` returns "".
  Weights renamed(const std::function<std::string(const std::string&)>& rename) const;
  /// Frees the pages of a tensor, once copied elsewhere, until it is read again. Discards what was
  /// written to it.
  void release(const std::string& name) const;
  /// Reads the files into the page cache, in pieces until `stop` returns true.
  void prefetch(const std::function<bool()>& stop) const;

 private:
  /// Error(kBadData) if another file has a tensor of the same name.
  void add_file(const std::shared_ptr<SafetensorsFile>& file);

  std::string source_;
  std::vector<std::shared_ptr<SafetensorsFile>> files_;
  struct Place {
    std::shared_ptr<SafetensorsFile> file;
    std::string name;
    at::Tensor tensor;
    std::optional<TensorPart> part = {};
    std::string scale = {};  ///< The file's tensor that scales this one, "" without one.
  };
  /// Error(kBadData) if there is no tensor `name`.
  const Place& place(const std::string& name) const;

  std::map<std::string, Place> places_;
};

/// Reads `directory`/config.json. Error(kBadData) unless it is an object whose _class_name, if any,
/// is `class_name`.
Json read_component_config(const std::filesystem::path& directory, const std::string& class_name);

/// The name of a dtype in config.json: "float16", "bfloat16" or "float32".
std::string config_dtype_name(at::ScalarType dtype);

constexpr uint64_t kShardLimit = 10'000'000'000;  ///< In bytes; diffusers' default.

/// Writes weights as diffusers' save_pretrained does: one `stem`.safetensors, or beyond
/// `shard_limit` bytes shards with an index. The caller publishes the directory.
void write_pretrained_weights(const std::filesystem::path& directory, const std::string& stem,
                              const std::vector<PlannedTensor>& tensors,
                              uint64_t shard_limit = kShardLimit);
void write_pretrained_weights(const std::filesystem::path& directory, const std::string& stem,
                              const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                              uint64_t shard_limit = kShardLimit);

}  // namespace sdxl
