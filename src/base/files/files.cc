#include "base/files/files.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/environment.h"
#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/files/descriptor.h"
#include "base/stop.h"
#include "base/text.h"

namespace sdxl {
namespace {

struct stat status_of(const Descriptor& file, const fs::path& path) {
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) throw_file_error("read", path, errno);
  if (S_ISDIR(status.st_mode)) throw_file_error("read", path, EISDIR);
  return status;
}

[[noreturn]] void throw_too_large(const fs::path& path, uint64_t limit) {
  throw Error(ExitStatus::kFileError, "cannot read ", quoted(path.string()), ": it is larger than ",
              bytes_text(limit));
}

}  // namespace

std::string read_file(const fs::path& path, uint64_t limit) {
  const Descriptor file(path, O_RDONLY, "read");
  const struct stat status = status_of(file, path);
  const bool regular = S_ISREG(status.st_mode);
  if (regular && static_cast<uint64_t>(status.st_size) > limit) throw_too_large(path, limit);
  std::string bytes;
  size_t used = 0;
  bytes.resize(regular ? static_cast<size_t>(status.st_size) + 1 : size_t{1} << 16);
  while (true) {
    const ssize_t count = ::read(file.get(), bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_file_error("read", path, errno);
    if (count == 0) break;
    used += static_cast<size_t>(count);
    if (used > limit) throw_too_large(path, limit);
    if (used == bytes.size()) bytes.resize(bytes.size() * 2);
  }
  bytes.resize(used);
  return bytes;
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
    throw Error(ExitStatus::kFileError, "cannot map ", quoted(path.string()),
                ": it is not a regular file");
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) throw_file_error("map", path, errno);
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

FileLock::FileLock(const fs::path& path) : descriptor_(path, O_RDWR | O_CREAT, "open the lock") {}

std::unique_ptr<FileLock> FileLock::try_lock(const fs::path& path, int operation) {
  std::unique_ptr<FileLock> lock(new FileLock(path));
  while (::flock(lock->descriptor_.get(), operation | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return nullptr;
    if (errno != EINTR) throw_file_error("lock", path, errno);
  }
  return lock;
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

LineWriter::LineWriter(const fs::path& path)
    : path_(path), descriptor_(path, O_RDWR | O_CREAT | O_APPEND, "write") {
  const off_t size = ::lseek(descriptor_.get(), 0, SEEK_END);
  char last = '\n';
  if (size > 0 && ::pread(descriptor_.get(), &last, 1, size - 1) == 1 && last != '\n') {
    write_all(descriptor_.get(), "\n", path_, 1);
  }
}

void LineWriter::line(std::string_view text) {
  std::string bytes(text);
  bytes += '\n';
  const off_t end = ::lseek(descriptor_.get(), 0, SEEK_END);
  try {
    write_all(descriptor_.get(), bytes, path_, bytes.size());
  } catch (const Error&) {
    // What was written of the line would spoil the next one.
    [[maybe_unused]] const int ignored = ::ftruncate(descriptor_.get(), end);
    throw;
  }
}

fs::path user_cache_directory() {
  const std::string cache = environment("XDG_CACHE_HOME");
  if (cache.starts_with('/')) return fs::path(cache) / "sdxl";
  std::string home = environment("HOME");
  if (home.empty()) {
    const passwd* user = ::getpwuid(::getuid());
    if (user != nullptr && user->pw_dir != nullptr) home = user->pw_dir;
  }
  if (home.empty()) {
    throw Error(ExitStatus::kFailure, "no directory for caches: set HOME or XDG_CACHE_HOME");
  }
  return fs::path(home) / ".cache" / "sdxl";
}

}  // namespace sdxl
