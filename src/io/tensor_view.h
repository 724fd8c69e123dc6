// Components whose tensors lie in a file that names and shapes them otherwise: single-file
// checkpoints in the naming of SDXL's original code.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sdxl {

/// Where a tensor of a component lies in a file that names and shapes its tensors otherwise.
struct TensorPart {
  std::string name;         ///< Of the file's tensor.
  int64_t first_row = 0;    ///< Of the rows that the tensor is, where it is not all of it…
  int64_t rows = -1;        ///< … and their number, -1 for all.
  bool transposed = false;  ///< The file's is the transpose of it.
  bool pointwise = false;   ///< The file may hold it as a 1x1 convolution.
  std::vector<int64_t> shape = {};  ///< That it is read with.
};
/// By the component's own names.
using TensorParts = std::map<std::string, TensorPart>;

/// Whether a file's tensor of these sides has the part.
bool has_part(at::IntArrayRef sizes, const TensorPart& part);
/// The part of a file's tensor that has it; a view of it where its layout allows.
at::Tensor part_of(const at::Tensor& tensor, const TensorPart& part);

/// Parts of one file.
struct TensorView {
  std::filesystem::path file;
  TensorParts parts;
};

/// Writes `directory`/`stem`.view.json, with which Weights::open() finds `parts` of `file` where a
/// component's own weights would lie. Only directories below single_file_views() may hold one.
void write_tensor_view(const std::filesystem::path& directory, const std::string& stem,
                       const std::filesystem::path& file, const TensorParts& parts);
/// Where views are kept: in the user's cache, since one names a file elsewhere and so may not come
/// from strangers.
std::filesystem::path single_file_views();

/// What write_tensor_view() wrote, if there is one that counts.
std::optional<TensorView> read_tensor_view(const std::filesystem::path& directory,
                                           const std::string& stem);

}  // namespace sdxl
