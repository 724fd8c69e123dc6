#include "training/trackers/appended_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/files/files.h"

namespace sdxl {
namespace {

Descriptor create_with_parents(const fs::path& path) {
  make_directories(directory_of(path));
  return Descriptor(path, O_CREAT | O_EXCL | O_WRONLY, "create");
}

}  // namespace

AppendedFile::AppendedFile(fs::path path)
    : path_(std::move(path)), descriptor_(create_with_parents(path_)) {}

void AppendedFile::append(std::string_view bytes) {
  try {
    write_all(descriptor_.get(), bytes, path_, bytes.size());
  } catch (const Error&) {
    // What was written of the record would make readers stop there.
    const auto end = static_cast<off_t>(size_);
    [[maybe_unused]] const int ignored = ::ftruncate(descriptor_.get(), end);
    ::lseek(descriptor_.get(), end, SEEK_SET);
    throw;
  }
  size_ += bytes.size();
}

void AppendedFile::sync() { sync_descriptor(descriptor_.get(), path_); }

}  // namespace sdxl
