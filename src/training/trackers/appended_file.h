// A file that records are appended to, each by one write, so that a kill leaves whole records and
// at most one torn one at the end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/descriptor.h"

namespace sdxl {

class AppendedFile {
 public:
  /// Creates the file; Error(kFileError) if it exists.
  explicit AppendedFile(std::filesystem::path path);

  void append(std::string_view bytes);
  void sync();
  uint64_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
  uint64_t size_ = 0;
};

}  // namespace sdxl
