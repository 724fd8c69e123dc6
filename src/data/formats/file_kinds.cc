#include "data/formats/file_kinds.h"

#include <set>

namespace sdxl {

std::string lower_extension(std::string_view path) {
  const size_t dot = path.rfind('.');
  if (dot == path.npos || path.find('/', dot) != path.npos) return "";
  std::string extension(path.substr(dot + 1));
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  return extension;
}

bool is_picture_file(const std::string& path) {
  static const std::set<std::string> kExtensions = {"png", "apng", "jpg", "jpeg",
                                                    "jpe", "jfif", "bmp", "webp"};
  return kExtensions.contains(lower_extension(path));
}

bool is_unreadable_picture_file(const std::string& path) {
  static const std::set<std::string> kExtensions = {
      "gif", "tif", "tiff", "heic", "heif", "avif", "jp2", "j2k", "jxl", "ico", "tga",  "psd",
      "ppm", "pgm", "pbm",  "pnm",  "exr",  "hdr",  "dds", "svg", "dng", "raw", "icns", "pcx"};
  return kExtensions.contains(lower_extension(path));
}

bool is_caption_file(std::string_view path) {
  return path.ends_with(".txt") || path.ends_with(".caption");
}

bool is_metadata_file(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name == "metadata.jsonl" || name == "metadata.csv" || name == "metadata.parquet";
}

bool is_parquet_file(const std::string& path) {
  return path.ends_with(".parquet") && !is_metadata_file(path);
}

bool is_tar_file(const std::string& path) {
  for (const char* extension : {".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst"}) {
    if (path.ends_with(extension)) return true;
  }
  return false;
}

}  // namespace sdxl
