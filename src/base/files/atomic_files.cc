// Temporaries are called `.tmp-NAME-COUNTER-HOST-PID`, so that a later process on the same host can
// tell which ones are abandoned.
#include "base/files/atomic_files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files/descriptor.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr std::string_view kPrefix = ".tmp-";
constexpr size_t kNameLimit = 100;  // of the 255 bytes that a file name may have

std::string host_name() {
  char buffer[256] = {};
  ::gethostname(buffer, sizeof buffer - 1);
  std::string name(buffer, strnlen(buffer, 64));
  std::erase_if(name, [](unsigned char c) { return std::isalnum(c) == 0 && c != '.'; });
  return name.empty() ? "host" : name;
}

/// The temporaries that this process is filling: after a restart its number may be that of a dead
/// one.
struct Registry {
  std::mutex mutex;
  std::set<std::string> names;
};

Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

fs::path make_temporary_name(const fs::path& path) {
  static std::atomic<uint64_t> counter{0};
  const fs::path target = path.has_filename() ? path : path.parent_path();
  const std::string name = str(kPrefix, target.filename().string().substr(0, kNameLimit), "-",
                               counter++, "-", host_name(), "-", ::getpid());
  const std::lock_guard lock(registry().mutex);
  registry().names.insert(name);
  return directory_of(path) / name;
}

void forget(const fs::path& temporary) {
  const std::lock_guard lock(registry().mutex);
  registry().names.erase(temporary.filename().string());
}

bool is_stale(const std::string& name) {
  if (!name.starts_with(kPrefix)) return false;
  const size_t dash = name.rfind('-');
  const std::string mark = "-" + host_name();
  if (dash < mark.size() || name.compare(dash - mark.size(), mark.size(), mark) != 0) return false;
  pid_t process = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + dash + 1, end, process);
  if (error != std::errc() || stop != end || process <= 0) return false;
  if (process == ::getpid()) {
    const std::lock_guard lock(registry().mutex);
    return !registry().names.contains(name);
  }
  return ::kill(process, 0) != 0 && errno == ESRCH;
}

/// rename(2), or with `replace` false a rename that fails where `to` exists.
void publish(const fs::path& from, const fs::path& to, bool replace) {
  int result = replace
                   ? ::rename(from.c_str(), to.c_str())
                   : ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (result != 0 && !replace && (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP)) {
    errno = EEXIST;  // a file system without that flag: ask first
    if (!fs::exists(fs::symlink_status(to))) result = ::rename(from.c_str(), to.c_str());
  }
  if (result != 0) throw_file_error("write", to, errno);
}

void sync_tree(const fs::path& directory) {
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() || entry.is_directory()) sync_path(entry.path());
  }
  sync_path(directory);
}

}  // namespace

AtomicFile::AtomicFile(fs::path path)
    : path_(std::move(path)), temporary_(make_temporary_name(path_)) {
  try {
    descriptor_ = Descriptor(temporary_, O_WRONLY | O_CREAT | O_EXCL, "write").release();
  } catch (const Error&) {
    forget(temporary_);
    throw;
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
    forget(temporary_);
  }
}

void AtomicFile::write(const void* data, size_t size) {
  written_ += size;
  write_all(descriptor_, {static_cast<const char*>(data), size}, path_, written_);
}

void AtomicFile::commit(bool replace) {
  sync_descriptor(descriptor_, path_);
  if (::close(std::exchange(descriptor_, -1)) != 0) {
    throw_file_error("write", path_, errno, written_);
  }
  publish(temporary_, path_, replace);
  forget(std::exchange(temporary_, {}));
  sync_path(directory_of(path_));
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

AtomicDirectory::AtomicDirectory(fs::path path)
    : path_(std::move(path)), working_(make_temporary_name(path_)) {
  if (::mkdir(working_.c_str(), 0777) != 0) {
    const int error = errno;
    forget(working_);
    throw_file_error("create the directory", working_, error);
  }
}

AtomicDirectory::~AtomicDirectory() {
  if (working_.empty()) return;
  std::error_code ignored;
  fs::remove_all(working_, ignored);
  forget(working_);
}

void AtomicDirectory::commit(bool replace) {
  try {
    sync_tree(working_);
  } catch (const fs::filesystem_error& error) {
    throw_file_error("write", path_, error.code().value());
  }
  if (replace && fs::exists(fs::symlink_status(path_))) {
    // The old one takes the temporary name, under which the destructor removes it.
    if (::renameat2(AT_FDCWD, working_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) != 0) {
      throw_file_error("replace", path_, errno);
    }
  } else {
    publish(working_, path_, false);
    forget(std::exchange(working_, {}));
  }
  sync_path(directory_of(path_));
}

void remove_stale_temporaries(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (is_stale(entry.path().filename().string())) stale.push_back(entry.path());
  }
  for (const fs::path& path : stale) fs::remove_all(path, error);
}

}  // namespace sdxl
