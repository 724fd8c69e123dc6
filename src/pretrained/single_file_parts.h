// The parts that single files hold: where their tensors lie and by what they are known.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/tensor_view.h"
#include "models/module.h"

namespace sdxl {

struct PartKind {
  const char* folder;                 ///< In diffusers' layout.
  const char* stem;                   ///< Of its weight files there.
  std::vector<std::string> prefixes;  ///< Below which it may lie; "" in a file of it alone.
  const char* mark;                   ///< A tensor below the prefix that tells that it is there.
  bool original;                      ///< In the original naming, as whole models are.
  /// The part without weights, by the config.json of its directory.
  std::function<std::unique_ptr<Module>(const std::filesystem::path& directory)> empty;
  std::function<TensorParts(const Module& part, const std::string& prefix)> places;
};

const std::vector<PartKind>& single_file_parts();

}  // namespace sdxl
