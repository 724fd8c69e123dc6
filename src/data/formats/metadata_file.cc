#include "data/formats/metadata_file.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

using OpenMetadata = std::unique_ptr<MetadataFile>(const std::filesystem::path& path,
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

/// Whether a relative path is normal, as names nearly always are: no "", "." or ".." between
/// slashes.
bool is_normal(std::string_view path) {
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

std::unique_ptr<MetadataFile> open_metadata_file(const std::filesystem::path& path,
                                                 const MetadataColumns& columns) {
  for (const MetadataFormat& format : kMetadataFormats) {
    if (path.extension() == format.extension) return format.open(path, columns);
  }
  throw bad_data(path.string(), "metadata is read from .jsonl, .csv and .parquet files only");
}

std::string resolve_file_name(const std::string& directory, std::string_view name,
                              const std::string& source) {
  const auto refuse = [&](const char* why) {
    throw Error(ExitStatus::kBadData,
                str(quoted(source), ": the file name ", quoted(name), " ", why,
                    "; names are relative to the metadata file's directory"));
  };
  if (name.empty()) refuse("is empty");
  if (name.find('\0') != std::string_view::npos) refuse("holds a NUL byte");
  if (name.find("://") != std::string_view::npos) refuse("is a URL");
  if (is_normal(name) && (directory.empty() || is_normal(directory))) {
    return directory.empty() ? std::string(name) : str(directory, "/", name);
  }
  if (name.front() == '/') refuse("is absolute");
  const std::string normal = std::filesystem::path(name).lexically_normal().string();
  if (normal == ".." || normal.starts_with("../")) refuse("leads outside of the data set");
  return (std::filesystem::path(directory) / normal).lexically_normal().string();
}

}  // namespace sdxl
