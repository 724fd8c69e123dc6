// Views of a component's tensors in a file with other names and shapes: single-file checkpoints,
// which use the names of SDXL's original code.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sdxl {

/// The part of a file's tensor that is a component's tensor.
struct TensorPart {
  std::string name;                 ///< The file's tensor.
  int64_t first_row = 0;            ///< The first row to take.
  int64_t rows = -1;                ///< The number of rows to take; -1 for all.
  bool transposed = false;          ///< The file has the transpose.
  bool pointwise = false;           ///< The file may have it as a 1x1 convolution.
  std::vector<int64_t> shape = {};  ///< The component's shape.
};
/// By the component's names.
using TensorParts = std::map<std::string, TensorPart>;

/// Whether a file's tensor with shape `sizes` contains the part.
bool has_part(at::IntArrayRef sizes, const TensorPart& part);
/// Cuts the part out of a file's tensor; a view if possible.
at::Tensor part_of(const at::Tensor& tensor, const TensorPart& part);

/// The parts of one file.
struct TensorView {
  std::filesystem::path file;
  TensorParts parts;
};

/// Writes `directory`/`stem`.view.json, which makes Weights::open() read `parts` of `file` instead
/// of weights in `directory`. Views are only valid below single_file_views().
void write_tensor_view(const std::filesystem::path& directory, const std::string& stem,
                       const std::filesystem::path& file, const TensorParts& parts);
/// The folder of all views, in the user's cache. Views elsewhere are ignored, since a downloaded
/// one could name any file.
std::filesystem::path single_file_views();

/// Reads the view that write_tensor_view() wrote; nothing if there is no valid one.
std::optional<TensorView> read_tensor_view(const std::filesystem::path& directory,
                                           const std::string& stem);

}  // namespace sdxl
