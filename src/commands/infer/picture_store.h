// The pictures of an infer run on disk, with a manifest.jsonl of the parameters that made each.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/files/files.h"
#include "base/json.h"
#include "io/images/image.h"

namespace sdxl {

/// The manifest in an --output_dir.
inline constexpr const char* kPictureManifest = "manifest.jsonl";

class PictureStore {
 public:
  /// Opens `directory` and reads its manifest.jsonl. With `overwrite` no picture counts as present.
  /// Ranks other than 0 write a manifest each, for gather_manifests().
  PictureStore(std::filesystem::path directory, bool overwrite, int64_t rank = 0);
  /// A store without a manifest that writes its one picture to `file`. Error(kUsage) if that exists
  /// and `overwrite` is false.
  static PictureStore single(std::filesystem::path file, bool overwrite);

  /// Whether `file` (relative) exists and was made with these parameters. Error(kUsage) if it
  /// exists and was made with others, unless overwriting.
  bool has(const std::string& file, const Json& parameters) const;
  /// Appends the manifests of other ranks, of this run or of an interrupted one, to manifest.jsonl.
  /// No other process may write meanwhile.
  static void gather_manifests(const std::filesystem::path& directory);
  /// Writes the picture as a PNG that holds its parameters, then its line in the manifest.
  void put(const std::string& file, const Image& image, const Json& parameters);
  /// The same for other content, such as latents, which `write` writes to the path.
  void put(const std::string& file, const Json& parameters,
           const std::function<void(const std::filesystem::path&)>& write);

  std::filesystem::path path(const std::string& file) const {
    return single_.empty() ? directory_ / file : single_;
  }

 private:
  PictureStore() = default;

  std::filesystem::path directory_;
  std::filesystem::path single_;
  bool overwrite_ = false;
  std::map<std::string, Json> made_;
  std::filesystem::path manifest_file_;   // empty without a manifest
  std::unique_ptr<LineWriter> manifest_;  // opened by the first picture
};

/// Encodes a PNG with its parameters in the text chunk "parameters".
std::string png_with_parameters(const Image& image, const Json& parameters);

}  // namespace sdxl
