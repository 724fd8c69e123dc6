// A file that several threads read at any position.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace sdxl {

class RandomAccessFile {
 public:
  /// Error(kFileError) names the path if it cannot be opened.
  explicit RandomAccessFile(std::filesystem::path path);
  ~RandomAccessFile();
  RandomAccessFile(const RandomAccessFile&) = delete;
  RandomAccessFile& operator=(const RandomAccessFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  uint64_t size() const { return size_; }
  /// Changes whenever the file does: device, inode, size and time of the last change, as bytes.
  const std::string& stamp() const { return stamp_; }

  /// Up to `length` bytes from `offset`; fewer only at the end of the file.
  std::string read(uint64_t offset, uint64_t length) const;

 private:
  std::filesystem::path path_;
  int descriptor_;
  uint64_t size_ = 0;
  std::string stamp_;
};

struct FileState {
  uint64_t size = 0;
  std::string stamp;
};

/// Sets size and stamp of a regular file, following links; false if there is none.
bool file_state(const std::string& path, FileState* state);

}  // namespace sdxl
