#include "base/files/descriptor.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
std::optional<uint64_t> free_bytes(std::filesystem::path path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error);
  while (path.has_relative_path() && !std::filesystem::exists(path, error)) {
    path = path.parent_path();
  }
  struct statvfs info = {};
  if (::statvfs(path.c_str(), &info) != 0) return std::nullopt;
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

void throw_file_error(const char* action, const std::filesystem::path& path, int error,
                      uint64_t needed) {
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

std::filesystem::path directory_of(const std::filesystem::path& path) {
  const std::filesystem::path parent =
      path.has_filename() ? path.parent_path() : path.parent_path().parent_path();
  return parent.empty() ? std::filesystem::path(".") : parent;
}

Descriptor::Descriptor(const std::filesystem::path& path, int flags, const char* action,
                       unsigned mode) {
  do {
    value_ = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (value_ < 0 && errno == EINTR);
  if (value_ < 0) throw_file_error(action, path, errno);
}

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& path,
               uint64_t needed) {
  constexpr size_t kChunk = size_t{1} << 30;  // write(2) takes less than 2 GiB at once
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), std::min(bytes.size(), kChunk));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_file_error("write", path, errno, needed);
    if (count == 0) throw_file_error("write", path, EIO, needed);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void sync_descriptor(int descriptor, const std::filesystem::path& path) {
  int result;
  do {
    result = ::fsync(descriptor);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS) {
    throw_file_error("write", path, errno);
  }
}

void sync_path(const std::filesystem::path& path) {
  const Descriptor descriptor(path, O_RDONLY, "open");
  sync_descriptor(descriptor.get(), path);
}

void require_free_space(const std::filesystem::path& directory, uint64_t bytes) {
  const auto available = free_bytes(directory);
  if (available && *available < bytes) {
    throw_file_error("write into", directory / ".", ENOSPC, bytes);
  }
}

}  // namespace sdxl
