// Walking an image folder.
#include "data/formats/picture_files.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "data/formats/metadata_file.h"

namespace sdxl {
namespace {

std::string lower_extension(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == name.npos || name.find('/', dot) != name.npos) return "";
  std::string extension(name.substr(dot + 1));
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  return extension;
}

const std::set<std::string>& readable_extensions() {
  static const std::set<std::string> names = {"png", "apng", "jpg", "jpeg",
                                              "jpe", "jfif", "bmp", "webp"};
  return names;
}

const std::set<std::string>& unreadable_extensions() {
  static const std::set<std::string> names = {
      "gif", "tif", "tiff", "heic", "heif", "avif", "jp2", "j2k", "jxl", "ico", "tga",  "psd",
      "ppm", "pgm", "pbm",  "pnm",  "exr",  "hdr",  "dds", "svg", "dng", "raw", "icns", "pcx"};
  return names;
}

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

class Walk {
 public:
  explicit Walk(std::string root) : root_(std::move(root)) { visit(""); }
  std::vector<std::string> take() { return std::move(files_); }

 private:
  /// `relative` is "" or ends with a slash. With the slash that folders end with here too, the
  /// order within each folder gives that of whole paths.
  void visit(const std::string& relative) {
    const std::string path = root_ + "/" + relative;
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) fail(path);
    if (!seen_.insert({status.st_dev, status.st_ino}).second) return;
    DIR* directory = ::opendir(path.c_str());
    if (!directory) fail(path);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (name.starts_with('.') || name.starts_with("__")) continue;
      const unsigned char type = type_of(entry, path);
      if (type == DT_DIR) names.push_back(std::string(name) + "/");
      if (type == DT_REG) names.emplace_back(name);
    }
    ::closedir(directory);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (name.ends_with('/')) {
        visit(relative + name);
      } else {
        files_.push_back(relative + name);
      }
    }
  }

  static unsigned char type_of(const dirent* entry, const std::string& directory) {
    if (entry->d_type == DT_REG || entry->d_type == DT_DIR) return entry->d_type;
    struct stat status;
    if (::stat((directory + entry->d_name).c_str(), &status) != 0) return DT_UNKNOWN;
    return S_ISDIR(status.st_mode) ? DT_DIR : S_ISREG(status.st_mode) ? DT_REG : DT_UNKNOWN;
  }

  [[noreturn]] static void fail(const std::string& path) {
    throw Error(ExitStatus::kFileError,
                str("cannot read the directory ", quoted(path), ": ", std::strerror(errno)));
  }

  std::string root_;
  std::vector<std::string> files_;
  std::set<std::pair<dev_t, ino_t>> seen_;
};

}  // namespace

bool is_picture_name(const std::string& name) {
  return readable_extensions().count(lower_extension(name)) != 0;
}

bool is_unreadable_picture_name(const std::string& name) {
  return unreadable_extensions().count(lower_extension(name)) != 0;
}

FolderListing list_pictures(const std::vector<std::string>& files) {
  FolderListing listing;
  for (const std::string& file : files) {
    const std::string extension = lower_extension(file);
    if (is_metadata_file(file)) {
      listing.metadata_files.push_back(file);
    } else if (readable_extensions().count(extension)) {
      listing.pictures.add(file);
    } else if (file.ends_with(".txt") || file.ends_with(".caption")) {
      listing.caption_files.add(file);
    } else if (unreadable_extensions().count(extension)) {
      ++listing.unreadable_pictures["." + extension];
    }
  }
  return listing;
}

std::vector<std::string> list_files(const std::filesystem::path& folder) {
  return Walk(folder.string()).take();
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
  const std::string own = std::filesystem::path(name).lexically_normal().string();
  if (own == ".." || own.compare(0, 3, "../") == 0) refuse("leads outside of the data set");
  return (std::filesystem::path(directory) / own).lexically_normal().string();
}

}  // namespace sdxl
