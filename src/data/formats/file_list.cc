#include "data/formats/file_list.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/text.h"

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

std::vector<std::string> list_files(const std::filesystem::path& folder) {
  return Walk(folder.string()).take();
}

}  // namespace sdxl
