#include "data/formats/random_access_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/files/descriptor.h"

namespace sdxl {
namespace {

std::string stamp_of(const struct stat& status) {
  const uint64_t parts[] = {
      static_cast<uint64_t>(status.st_dev), status.st_ino, static_cast<uint64_t>(status.st_size),
      static_cast<uint64_t>(status.st_ctim.tv_sec), static_cast<uint64_t>(status.st_ctim.tv_nsec)};
  return std::string(reinterpret_cast<const char*>(parts), sizeof parts);
}

}  // namespace

RandomAccessFile::RandomAccessFile(std::filesystem::path path) : path_(std::move(path)) {
  Descriptor file(path_, O_RDONLY, "read");
  struct stat status;
  if (::fstat(file.get(), &status) != 0) throw_file_error("read", path_, errno);
  size_ = static_cast<uint64_t>(status.st_size);
  stamp_ = stamp_of(status);
  descriptor_ = file.release();
}

RandomAccessFile::~RandomAccessFile() { ::close(descriptor_); }

std::string RandomAccessFile::read(uint64_t offset, uint64_t length) const {
  if (offset >= size_) return {};
  std::string bytes(std::min(length, size_ - offset), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pread(descriptor_, bytes.data() + done, bytes.size() - done,
                                  static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_file_error("read", path_, errno);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

bool file_state(const std::string& path, FileState* state) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  state->size = static_cast<uint64_t>(status.st_size);
  state->stamp = stamp_of(status);
  return true;
}

}  // namespace sdxl
