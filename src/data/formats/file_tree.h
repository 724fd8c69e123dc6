// The files of a data set, in folders and in zip files, read by path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/random_access_file.h"
#include "data/formats/zip_archive.h"

namespace sdxl {

/// Every file in `folder` and below it, as paths relative to it, ordered by their bytes. Leaves out
/// hidden names. Follows links, and visits a directory once however many links lead to it; a link
/// that leads nowhere is listed like a file. Error(kFileError) for a directory that cannot be read.
std::vector<std::string> list_files(const std::filesystem::path& folder);

/// Files below a root. A zip file counts as a folder: "a.zip/b.png" is a member of "a.zip".
/// Thread-safe.
class FileTree {
 public:
  /// `files` are relative to `root`; the members of zip files among them take their places.
  FileTree(const std::filesystem::path& root, const std::vector<std::string>& files);

  const std::filesystem::path& root() const { return root_; }
  /// Paths relative to the root, ordered by their bytes.
  const std::vector<std::string>& files() const { return files_; }

  /// root / path, as messages name the file.
  std::string full_path(std::string_view path) const { return prefix_ + std::string(path); }
  /// The file that holds `path`: a zip file, or `path` itself.
  std::string file_of(std::string_view path) const;
  /// Whether `path` lies in a zip file.
  bool is_archived(std::string_view path) const { return find(path).archive != nullptr; }
  /// The whole file; Error(kBadData) if it has more than `limit` bytes, Error(kFileError) if it
  /// cannot be read.
  std::string read(std::string_view path, uint64_t limit) const;
  /// The first `limit` bytes, or all of them.
  std::string read_head(std::string_view path, uint64_t limit) const;
  /// Sets size and stamp; false if there is no such file.
  bool state(std::string_view path, FileState* state) const;

 private:
  struct Archive {
    std::unique_ptr<ZipArchive> zip;
    std::map<std::string, uint64_t, std::less<>> members;
  };
  struct Place {
    const ZipArchive* archive = nullptr;  ///< Null for a file of its own or one that is not there.
    uint64_t index = 0;
  };

  void add_archive(const std::string& path);
  Place find(std::string_view path) const;

  std::filesystem::path root_;
  std::string prefix_;  ///< The root with a slash at its end.
  std::vector<std::string> files_;
  std::map<std::string, Archive, std::less<>> archives_;
};

}  // namespace sdxl
