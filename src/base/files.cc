// Files and directories: reading, mapping, locking, appending.
#include "base/files.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/file_errors.h"
#include "base/stop.h"
#include "base/text.h"

namespace sdxl {
namespace {

std::optional<uint64_t> free_bytes(const fs::path& directory) {
  struct statvfs info = {};
  if (::statvfs(directory.c_str(), &info) != 0) return std::nullopt;
  return uint64_t(info.f_bavail) * info.f_frsize;
}

struct stat status_of(const Descriptor& file, const fs::path& path) {
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) throw_file_error("read", path, errno);
  if (S_ISDIR(status.st_mode)) throw_file_error("read", path, EISDIR);
  return status;
}

void refuse_size(const fs::path& path, uint64_t limit) {
  throw Error(ExitStatus::kFileError, str("cannot read ", quoted(path.string()),
                                          ": it is larger than ", bytes_text(limit)));
}

}  // namespace

void throw_file_error(const char* action, const fs::path& path, int error, uint64_t needed) {
  std::string text =
      str("cannot ", action, " ", quoted(path.string(), 1000), ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) {
    const auto available = free_bytes(directory_of(path));
    text += str(" (", needed > 0 ? bytes_text(needed) + " needed, " : "",
                available ? bytes_text(*available) : "an unknown amount",
                " free); make room or give another directory");
  }
  throw Error(ExitStatus::kFileError, text);
}

fs::path directory_of(const fs::path& path) {
  const fs::path parent =
      path.has_filename() ? path.parent_path() : path.parent_path().parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

Descriptor::Descriptor(const fs::path& path, int flags, const char* action, unsigned mode) {
  do {
    value_ = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (value_ < 0 && errno == EINTR);
  if (value_ < 0) throw_file_error(action, path, errno);
}

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

void write_all(int descriptor, std::string_view bytes, const fs::path& path, uint64_t needed) {
  constexpr size_t kChunk = size_t{1} << 30;  // write(2) takes less than 2 GiB at once
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), std::min(bytes.size(), kChunk));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_file_error("write", path, errno, needed);
    if (count == 0) throw_file_error("write", path, EIO, needed);
    bytes.remove_prefix(size_t(count));
  }
}

void sync_descriptor(int descriptor, const fs::path& path) {
  int result;
  do {
    result = ::fsync(descriptor);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS) {
    throw_file_error("write", path, errno);
  }
}

void sync_path(const fs::path& path) {
  const Descriptor descriptor(path, O_RDONLY, "open");
  sync_descriptor(descriptor.get(), path);
}

std::string read_file(const fs::path& path, uint64_t limit) {
  const Descriptor file(path, O_RDONLY, "read");
  const struct stat status = status_of(file, path);
  const bool regular = S_ISREG(status.st_mode);
  if (regular && uint64_t(status.st_size) > limit) refuse_size(path, limit);
  std::string bytes;
  size_t used = 0;
  bytes.resize(regular ? size_t(status.st_size) + 1 : size_t{1} << 16);
  while (true) {
    const ssize_t count = ::read(file.get(), bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_file_error("read", path, errno);
    if (count == 0) break;
    used += size_t(count);
    if (used > limit) refuse_size(path, limit);
    if (used == bytes.size()) bytes.resize(bytes.size() * 2);
  }
  bytes.resize(used);
  return bytes;
}

void require_free_space(const fs::path& directory, uint64_t bytes) {
  const auto available = free_bytes(directory);
  if (available && *available < bytes)
    throw_file_error("write into", directory / ".", ENOSPC, bytes);
}

void make_directories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw_file_error("create the directory", path, error.value());
  if (!fs::is_directory(path, error)) throw_file_error("create the directory", path, ENOTDIR);
}

void copy_files(const fs::path& from, const fs::path& to) {
  make_directories(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    if (!entry.is_regular_file()) continue;
    write_file_atomically(to / entry.path().filename(), read_file(entry.path()));
  }
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const Descriptor file(path, O_RDONLY, "read");
  const struct stat status = status_of(file, path);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ExitStatus::kFileError,
                str("cannot map ", quoted(path.string()), ": it is not a regular file"));
  }
  size_ = size_t(status.st_size);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) throw_file_error("map", path, errno);
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::unique_ptr<FileLock> FileLock::try_lock(const fs::path& path, int operation) {
  Descriptor file(path, O_RDWR | O_CREAT, "open the lock");
  while (::flock(file.get(), operation | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return nullptr;
    if (errno != EINTR) throw_file_error("lock", path, errno);
  }
  return std::unique_ptr<FileLock>(new FileLock(file.release()));
}

std::unique_ptr<FileLock> FileLock::try_acquire(const fs::path& path) {
  return try_lock(path, LOCK_EX);
}

std::unique_ptr<FileLock> FileLock::try_share(const fs::path& path) {
  return try_lock(path, LOCK_SH);
}

std::unique_ptr<FileLock> FileLock::acquire(const fs::path& path) {
  constexpr std::chrono::milliseconds kPause{20};
  while (true) {
    if (auto lock = try_acquire(path)) return lock;
    throw_if_stop_requested("waiting for a lock");
    std::this_thread::sleep_for(kPause);
  }
}

FileLock::~FileLock() { ::close(descriptor_); }

LineWriter::LineWriter(const fs::path& path)
    : path_(path), descriptor_(Descriptor(path, O_RDWR | O_CREAT | O_APPEND, "write").release()) {
  const off_t size = ::lseek(descriptor_, 0, SEEK_END);
  char last = '\n';
  if (size > 0 && ::pread(descriptor_, &last, 1, size - 1) == 1 && last != '\n') {
    write_all(descriptor_, "\n", path_, 1);
  }
}

LineWriter::~LineWriter() { ::close(descriptor_); }

void LineWriter::line(std::string_view text) {
  std::string bytes(text);
  bytes += '\n';
  write_all(descriptor_, bytes, path_, bytes.size());
}

fs::path user_cache_directory() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache == '/') return fs::path(cache) / "sdxl";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    const passwd* user = ::getpwuid(::getuid());
    home = user == nullptr ? nullptr : user->pw_dir;
  }
  if (home == nullptr || *home == '\0') {
    throw Error(ExitStatus::kFileError, "no place for caches: set HOME or XDG_CACHE_HOME");
  }
  return fs::path(home) / ".cache" / "sdxl";
}

}  // namespace sdxl
