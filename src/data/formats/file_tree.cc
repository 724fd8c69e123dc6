#include "data/formats/file_tree.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "data/formats/file_kinds.h"

namespace sdxl {
namespace {

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
      if (is_hidden_name(name)) continue;
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

  /// DT_REG for a link that leads nowhere: whoever reads it gets the error.
  static unsigned char type_of(const dirent* entry, const std::string& directory) {
    if (entry->d_type == DT_REG || entry->d_type == DT_DIR) return entry->d_type;
    struct stat status;
    if (::stat((directory + entry->d_name).c_str(), &status) != 0) return DT_REG;
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

/// Whether `path`, which lies in a zip file, has a hidden part or one that leads elsewhere.
bool is_left_out(std::string_view path) {
  for (const std::string& part : split(path, '/')) {
    if (part.empty() || is_hidden_name(part)) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> list_files(const fs::path& folder) { return Walk(folder.string()).take(); }

FileTree::FileTree(const fs::path& root, const std::vector<std::string>& files)
    : root_(root), prefix_(root / "") {
  for (const std::string& file : files) {
    if (is_zip_file(file)) {
      add_archive(file);
    } else {
      files_.push_back(file);
    }
  }
  if (!archives_.empty()) std::sort(files_.begin(), files_.end());
}

void FileTree::add_archive(const std::string& path) {
  Archive& archive = archives_[path];
  archive.zip = std::make_unique<ZipArchive>(root_ / path);
  archive.zip->for_members([&](const ZipArchive::Member& member) {
    // Some programs on Windows write backslashes, against the format.
    std::string name = member.name;
    std::replace(name.begin(), name.end(), '\\', '/');
    if (is_left_out(name)) return;
    if (archive.members.emplace(name, member.index).second) {
      files_.push_back(str(path, "/", name));
    }
  });
}

std::string FileTree::file_of(std::string_view path) const {
  for (const auto& [archive, members] : archives_) {
    if (path.starts_with(archive) && path.substr(archive.size()).starts_with('/')) return archive;
  }
  return std::string(path);
}

FileTree::Place FileTree::find(std::string_view path) const {
  if (archives_.empty()) return {};
  for (size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
    const auto archive = archives_.find(path.substr(0, slash));
    if (archive == archives_.end()) continue;
    const auto member = archive->second.members.find(path.substr(slash + 1));
    if (member == archive->second.members.end()) return {};
    return {archive->second.zip.get(), member->second};
  }
  return {};
}

std::string FileTree::read(std::string_view path, uint64_t limit) const {
  const Place place = find(path);
  if (!place.archive) return read_file(full_path(path), limit);
  if (place.archive->size(place.index) > limit) {
    throw bad_data(full_path(path), "the file is larger than ", bytes_text(limit));
  }
  return place.archive->read(place.index, limit);
}

std::string FileTree::read_head(std::string_view path, uint64_t limit) const {
  const Place place = find(path);
  if (place.archive) return place.archive->read(place.index, limit);
  return RandomAccessFile(full_path(path)).read(0, limit);
}

bool FileTree::state(std::string_view path, FileState* state) const {
  const Place place = find(path);
  if (!place.archive) return file_state(full_path(path), state);
  state->size = place.archive->size(place.index);
  state->stamp = place.archive->stamp(place.index);
  return true;
}

}  // namespace sdxl
