// Reads safetensors files by mapping them and writes them as a stream.
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

/// A mapped file. Its tensors are views of the mapping, which they keep alive. The mapping is
/// private: writing to a tensor never changes the file. A tensor misaligned for its type is copied.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::vector<SafetensorsEntry>& entries() const { return header_.entries; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const std::filesystem::path& path() const { return path_; }
  bool contains(const std::string& name) const { return index_.contains(name); }
  /// Error(kBadData) if the file has no such tensor or ATen lacks its dtype.
  at::Tensor tensor(const std::string& name) const;
  TensorMap tensors() const;
  /// Frees the pages of a tensor until it is read again. Discards what was written to it.
  void release(const std::string& name) const;
  /// Reads the file into the page cache, in pieces until `stop` returns true.
  void prefetch(const std::function<bool()>& stop) const;

 private:
  struct Mapping;
  std::filesystem::path path_;
  SafetensorsHeader header_;
  std::map<std::string, size_t> index_;
  std::shared_ptr<Mapping> mapping_;
};

/// A tensor that is computed when it is written and freed afterwards.
struct PlannedTensor {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  std::function<at::Tensor()>
      value;  ///< Has this dtype and shape, on any device, with any strides.
};

/// Plans existing tensors; the result keeps them alive.
std::vector<PlannedTensor> planned(const std::vector<std::pair<std::string, at::Tensor>>& tensors);

/// Writes tensors in the order of the reference writer: by alignment, then by name. Computes one
/// tensor at a time and publishes the file by rename. Python readers need {"format", "pt"} in
/// `metadata`, which nothing adds implicitly.
void stream_safetensors(const std::filesystem::path& path,
                        const std::vector<PlannedTensor>& tensors,
                        const std::map<std::string, std::string>& metadata);
/// Writes existing tensors, of any device and strides.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});
/// Writes tensors whose shapes and dtypes are those of `tensors` (meta tensors will do); `fetch`
/// returns each when it is written.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::function<at::Tensor(const std::string& name)>& fetch);

}  // namespace sdxl
