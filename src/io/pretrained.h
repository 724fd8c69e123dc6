// Directories in the layout of diffusers and transformers: config.json and weights with or without
// a variant, in one file or sharded.
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

/// The tensors of a component, whatever number of files they lie in.
class Weights {
 public:
  /// Looks for `stem`[.variant].safetensors, its index, then the plain names when the variant is
  /// missing (with a warning). `stem` is "diffusion_pytorch_model" or "model". Pickles are refused
  /// with the way to convert them; a missing file or shard is Error(kBadData) that names it.
  static Weights open(const std::filesystem::path& directory, const std::string& stem,
                      const std::string& variant = "");
  /// One file.
  static Weights open_file(const std::filesystem::path& file);
  /// Parts of one file. Error(kBadData) that lists what is missing or does not fit.
  static Weights open_parts(const std::filesystem::path& file, const TensorParts& parts);
  /// Tensors in memory; `source` names them in errors.
  static Weights from_tensors(TensorMap tensors, std::string source);

  std::vector<std::string> names() const;
  bool contains(const std::string& name) const;
  at::Tensor tensor(const std::string& name) const;
  /// What errors call it: the file or directory.
  const std::string& source() const { return source_; }
  /// The files, in the order of their names; none for tensors in memory.
  std::vector<std::filesystem::path> files() const;
  /// The same tensors with every name rewritten; names for which `rename` returns "" are left out.
  Weights renamed(const std::function<std::string(const std::string&)>& rename) const;
  /// The memory of a tensor's mapping is given back until it is read again. What was written to it
  /// is lost: for tensors that were copied elsewhere.
  void release(const std::string& name) const;
  /// Reads the files into the page cache, piece by piece until `stop` says so.
  void prefetch(const std::function<bool()>& stop) const;

 private:
  /// Error(kBadData) if a tensor of `file` is there already.
  void add_file(const std::shared_ptr<SafetensorsFile>& file);

  std::string source_;
  std::vector<std::shared_ptr<SafetensorsFile>> files_;
  struct Place {
    std::shared_ptr<SafetensorsFile> file;
    std::string name;
    at::Tensor tensor;
    std::optional<TensorPart> part = {};
  };
  std::map<std::string, Place> places_;
};

/// directory/config.json, checked to be an object whose _class_name (where it has one) is
/// `class_name`.
Json read_component_config(const std::filesystem::path& directory, const std::string& class_name);

/// "float16", "bfloat16" or "float32", as config.json says in dtype or torch_dtype.
std::string config_dtype_name(at::ScalarType dtype);

constexpr uint64_t kShardLimit = 10'000'000'000;  ///< Bytes, as diffusers'.

/// Writes weights as diffusers' save_pretrained does: one `stem`.safetensors up to the limit, past
/// that `stem`-0000i-of-0000n.safetensors with an index. The caller publishes the directory.
void write_pretrained_weights(const std::filesystem::path& directory, const std::string& stem,
                              const std::vector<PlannedTensor>& tensors,
                              uint64_t shard_limit = kShardLimit);
void write_pretrained_weights(const std::filesystem::path& directory, const std::string& stem,
                              const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                              uint64_t shard_limit = kShardLimit);

}  // namespace sdxl
