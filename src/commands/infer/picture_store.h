// The pictures of an infer run on disk: predictable names, a manifest that says what made each, and
// what to do with those that exist already.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/files.h"
#include "base/json.h"
#include "io/image.h"

namespace sdxl {

class PictureStore {
 public:
  /// Pictures under `directory`, whose manifest.jsonl is read. With `overwrite` none counts as
  /// there. Of several ranks all but the first write manifests of their own.
  PictureStore(std::filesystem::path directory, bool overwrite, int64_t rank = 0);
  /// A store of one picture, which goes to `file` whatever its name is, without a manifest.
  static PictureStore single(std::filesystem::path file, bool overwrite);

  /// Whether `file` (relative) is there and was made with these parameters. Error(kUsage) if it is
  /// there but was made otherwise, unless overwriting.
  bool has(const std::string& file, const Json& parameters) const;
  /// Adds what other ranks' manifests say, of this run or of one that was cut short, to the one
  /// manifest. While nobody else writes.
  static void gather_manifests(const std::filesystem::path& directory);
  /// Writes the picture with its parameters in the PNG's text, then its line in the manifest.
  void put(const std::string& file, const Image& image, const Json& parameters);
  /// The same for other content of a picture, such as its latents: `write` fills the path.
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
  std::unique_ptr<LineWriter> manifest_;  // since the first picture
};

/// The PNG of a picture with its parameters as the text "parameters".
std::string png_with_parameters(const Image& image, const Json& parameters);

}  // namespace sdxl
