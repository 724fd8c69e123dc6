#include "data/formats/file_kinds.h"

#include <set>

namespace sdxl {
namespace {

using Extensions = std::set<std::string, std::less<>>;

/// What decode_image() reads.
const Extensions& readable_extensions() {
  static const Extensions kExtensions = {"png", "apng", "jpg", "jpeg", "jpe",  "jfif",
                                         "bmp", "webp", "gif", "tif",  "tiff", "avif"};
  return kExtensions;
}

/// Further picture formats of Pillow and of cameras.
const Extensions& unreadable_extensions() {
  static const Extensions kExtensions = {
      "arw",  "blp",  "bufr", "bw",  "cr2",  "cr3",  "cur", "dcx", "dds", "dib", "dng",
      "emf",  "eps",  "exr",  "fit", "fits", "flc",  "fli", "ftc", "ftu", "gbr", "grib",
      "hdr",  "heic", "heif", "hif", "icb",  "icns", "ico", "iim", "im",  "j2c", "j2k",
      "jp2",  "jpc",  "jpf",  "jpx", "jxl",  "msp",  "nef", "orf", "pbm", "pcd", "pcx",
      "pgm",  "pnm",  "ppm",  "ps",  "psd",  "pxr",  "qoi", "raf", "ras", "raw", "rgb",
      "rgba", "rw2",  "sgi",  "svg", "tga",  "vda",  "vst", "wmf", "xbm", "xcf", "xpm"};
  return kExtensions;
}

}  // namespace

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  return lower;
}

std::string lower_extension(std::string_view path) {
  const size_t dot = path.rfind('.');
  if (dot == path.npos || path.find('/', dot) != path.npos) return "";
  return in_lower_case(path.substr(dot + 1));
}

bool is_picture_file(std::string_view path) {
  return readable_extensions().contains(lower_extension(path));
}

bool is_unreadable_picture_file(std::string_view path) {
  return unreadable_extensions().contains(lower_extension(path));
}

bool is_caption_file(std::string_view path) {
  const std::string extension = lower_extension(path);
  return extension == "txt" || extension == "caption";
}

bool is_metadata_file(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name == "metadata.jsonl" || name == "metadata.csv" || name == "metadata.parquet";
}

bool is_parquet_file(std::string_view path) {
  return lower_extension(path) == "parquet" && !is_metadata_file(path);
}

bool is_tar_file(std::string_view path) {
  const std::string name = in_lower_case(path.substr(path.rfind('/') + 1));
  for (const char* extension : {".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst"}) {
    if (name.ends_with(extension)) return true;
  }
  return false;
}

bool is_zip_file(std::string_view path) { return lower_extension(path) == "zip"; }

bool is_hidden_name(std::string_view name) {
  return name.starts_with('.') || name.starts_with("__");
}

}  // namespace sdxl
