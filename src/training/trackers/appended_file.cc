// Appending with write(2).
#include "training/trackers/appended_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace sdxl {
namespace {

[[noreturn]] void fail(const fs::path& path, const char* action) {
  throw Error(ExitStatus::kFileError,
              str("cannot ", action, ' ', path.string(), ": ", std::strerror(errno)));
}

}  // namespace

AppendedFile::AppendedFile(fs::path path) : path_(std::move(path)) {
  make_directories(path_.parent_path());
  descriptor_ = ::open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail(path_, "create");
}

AppendedFile::~AppendedFile() { ::close(descriptor_); }

void AppendedFile::append(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_, "write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void AppendedFile::sync() {
  if (::fsync(descriptor_) != 0) fail(path_, "write");
}

}  // namespace sdxl
