// The parts of a model that a single file may hold: how to recognise them, and where their tensors
// lie.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/tensor_view.h"
#include "models/module.h"

namespace sdxl {

/// Empty tensors by which files say that the model predicts velocity, and that its noise schedule
/// ends at a signal-to-noise ratio of zero.
inline constexpr const char* kVelocityMark = "v_pred";
inline constexpr const char* kZeroSnrMark = "ztsnr";

struct PartKind {
  const char* folder;                 ///< In diffusers' layout.
  const char* stem;                   ///< Stem of its weight files there.
  std::vector<std::string> prefixes;  ///< Of its tensors; "" in a file of the part alone.
  const char* mark;  ///< A tensor that shows that the part is there, without prefix.
  bool original;     ///< In the original code's naming.
  /// Builds the part without weights from the config.json in its directory.
  std::function<std::unique_ptr<Module>(const std::filesystem::path& directory)> empty;
  /// Maps each parameter to its place in the file.
  std::function<TensorParts(const Module& part, const std::string& prefix)> places;
};

const std::vector<PartKind>& single_file_parts();

}  // namespace sdxl
