// The metadata files of an image folder: which pictures it has, in which order, and their captions.
// A kind of metadata file is one source and one line in metadata_file.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "data/formats/file_tree.h"
#include "data/formats/string_list.h"

namespace sdxl {

/// Holds an index; captions stay on disk.
class MetadataFile {
 public:
  virtual ~MetadataFile() = default;
  /// The pictures as the file names them, one per row.
  const StringList& file_names() const { return file_names_; }
  virtual bool has_caption(int64_t row) const = 0;
  /// The captions of a row; none if it has none. Thread-safe.
  virtual std::vector<std::string> captions(int64_t row) const = 0;
  /// The names of its columns, for messages.
  virtual std::vector<std::string> columns() const = 0;
  /// Rows that name no picture or cannot be read; they are not among file_names().
  const std::vector<LeftOut>& unusable() const { return unusable_; }
  /// What was left out besides, one sentence each.
  const std::vector<std::string>& notes() const { return notes_; }

 protected:
  StringList file_names_;
  std::vector<LeftOut> unusable_;
  std::vector<std::string> notes_;
};

/// Values of --image_column and --caption_column. The picture's path is in the column `file_name`,
/// else in `<image>_file_name`.
struct MetadataColumns {
  std::string image = "image", caption = "text";
};

/// Reads the file once and checks every row. Error(kBadData) names a file that cannot be read at
/// all. `tree` must outlive the result.
std::unique_ptr<MetadataFile> open_metadata_file(const FileTree& tree, const std::string& path,
                                                 const MetadataColumns& columns);

/// Joins `name`, which stands in a metadata file in `directory`, to a normal path relative to the
/// data set's root (whose `directory` is ""). A backslash separates folders too. Error(kBadData)
/// names `source` if the name is empty, absolute, a URL, leads outside of the root or has a NUL
/// byte.
std::string resolve_file_name(const std::string& directory, std::string_view name,
                              const std::string& source);

}  // namespace sdxl
