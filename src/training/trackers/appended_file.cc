#include "training/trackers/appended_file.h"

#include <fcntl.h>

#include "base/files.h"

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
  write_all(descriptor_.get(), bytes, path_, bytes.size());
  size_ += bytes.size();
}

void AppendedFile::sync() { sync_descriptor(descriptor_.get(), path_); }

}  // namespace sdxl
