#include "data/formats/metadata_file.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

using OpenMetadata = std::unique_ptr<MetadataFile>(const FileTree& tree, const std::string& path,
                                                   const MetadataColumns& columns);
OpenMetadata open_jsonl_metadata, open_csv_metadata, open_parquet_metadata;

namespace {

struct MetadataFormat {
  const char* extension;
  OpenMetadata* open;
};

constexpr MetadataFormat kMetadataFormats[] = {
    {".jsonl", open_jsonl_metadata},
    {".csv", open_csv_metadata},
    {".parquet", open_parquet_metadata},
};

/// Whether a relative path is normal, as nearly all are: no backslash, and no "", "." or ".."
/// between slashes.
bool is_normal(std::string_view path) {
  if (path.find('\\') != path.npos) return false;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

std::unique_ptr<MetadataFile> open_metadata_file(const FileTree& tree, const std::string& path,
                                                 const MetadataColumns& columns) {
  for (const MetadataFormat& format : kMetadataFormats) {
    if (path.ends_with(format.extension)) return format.open(tree, path, columns);
  }
  throw bad_data(tree.full_path(path),
                 "metadata is read from .jsonl, .csv and .parquet files only");
}

std::string resolve_file_name(const std::string& directory, std::string_view name,
                              const std::string& source) {
  const auto refuse = [&](const char* why) {
    throw bad_data(source, "the file name ", quoted(name), " ", why,
                   "; names are relative to the metadata file's folder");
  };
  if (name.empty()) refuse("is empty");
  if (name.find('\0') != name.npos) refuse("holds a NUL byte");
  if (name.find("://") != name.npos) refuse("is a URL");
  if (is_normal(name) && (directory.empty() || is_normal(directory))) {
    return directory.empty() ? std::string(name) : str(directory, "/", name);
  }
  std::string slashed(name);
  std::replace(slashed.begin(), slashed.end(), '\\', '/');
  if (slashed.front() == '/') refuse("is absolute");
  const std::string normal = std::filesystem::path(slashed).lexically_normal().string();
  if (normal == ".." || normal.starts_with("../")) refuse("leads outside of the data set");
  return (std::filesystem::path(directory) / normal).lexically_normal().string();
}

}  // namespace sdxl
