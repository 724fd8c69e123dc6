// Reading safetensors files by mapping and writing them as a stream.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/safetensors_header.h"

namespace sdxl {

using TensorMap = std::map<std::string, at::Tensor>;

/// A mapped file. Tensors are views of the mapping (private: writing to one never reaches the file)
/// and keep it alive; one whose offset is not aligned for its type is copied.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::vector<SafetensorsEntry>& entries() const { return header_.entries; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const std::filesystem::path& path() const { return path_; }
  bool contains(const std::string& name) const { return index_.count(name) != 0; }
  /// Error(kBadData) if there is none of this name or its dtype has no ATen type.
  at::Tensor tensor(const std::string& name) const;
  TensorMap tensors() const;
  /// Gives the memory of a tensor's mapping back until it is read again; what was written to it is
  /// lost.
  void release(const std::string& name) const;
  /// Reads the file into the page cache, piece by piece until `stop` says so.
  void prefetch(const std::function<bool()>& stop) const;

 private:
  struct Mapping;
  std::filesystem::path path_;
  SafetensorsHeader header_;
  std::map<std::string, size_t> index_;
  std::shared_ptr<Mapping> mapping_;
};

/// A tensor that is made when it is written, and gone after.
struct PlannedTensor {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  std::function<at::Tensor()> value;  ///< Of this dtype and shape, on any device, of any strides.
};

/// Tensors that are there, as such; they are kept until the result is gone.
std::vector<PlannedTensor> planned(const std::vector<std::pair<std::string, at::Tensor>>& tensors);

/// Writes tensors as the reference writer lays them out: by alignment, then name. Streamed, one
/// tensor in memory at a time; published by rename, so that `path` is whole or untouched.
/// `metadata` gains nothing by itself: pass {"format", "pt"} where Python reads it.
void stream_safetensors(const std::filesystem::path& path,
                        const std::vector<PlannedTensor>& tensors,
                        const std::map<std::string, std::string>& metadata);
/// The same of tensors that are there (any device, any strides).
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});
/// The same for tensors of which `tensors` has shape and dtype alone (meta tensors): `fetch` gives
/// each in its turn.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::function<at::Tensor(const std::string& name)>& fetch);

}  // namespace sdxl
