// A file to which records are appended, each by one write(2). A kill leaves at most one torn
// record, at the end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/files/descriptor.h"

namespace sdxl {

class AppendedFile {
 public:
  /// Creates the file; Error(kFileError) if it exists.
  explicit AppendedFile(std::filesystem::path path);

  void append(std::string_view bytes);
  void sync();
  uint64_t size() const { return size_; }

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
  uint64_t size_ = 0;
};

}  // namespace sdxl
