// What lies in an image folder: pictures, caption files, metadata files, and what is passed over.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/formats/string_list.h"

namespace sdxl {

/// Whether the name's extension is one of the pictures that can be read (png apng jpg jpeg jpe jfif
/// bmp webp, any case).
bool is_picture_name(const std::string& name);
/// Whether it is one of a picture that cannot be (gif, tiff, heic, …).
bool is_unreadable_picture_name(const std::string& name);

struct FolderListing {
  StringList pictures;                      ///< Relative to the folder, by their path's bytes.
  StringList caption_files;                 ///< .txt and .caption, by their path's bytes.
  std::vector<std::string> metadata_files;  ///< Relative, by their path's bytes.
  std::map<std::string, int64_t> unreadable_pictures;  ///< Extension -> number.
};

/// Every file in `folder` and below it, relative to it, by their paths' bytes. Hidden entries and
/// those that begin with "__" are passed over; links are followed, each directory once.
std::vector<std::string> list_files(const std::filesystem::path& folder);

/// Sorts out what list_files() found.
FolderListing list_pictures(const std::vector<std::string>& files);

/// `name` of a metadata file in `directory` (relative to the data set's root, "" for the root) as a
/// normal path relative to the root. Error(kBadData) naming `source` for one that leads outside:
/// absolute, a URL, "..", or with a NUL byte.
std::string resolve_file_name(const std::string& directory, std::string_view name,
                              const std::string& source);

}  // namespace sdxl
