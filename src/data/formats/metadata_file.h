// metadata.jsonl, metadata.csv and metadata.parquet of an image folder: which pictures there are,
// in which order, and their captions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/string_list.h"

namespace sdxl {

class MetadataFile {
 public:
  virtual ~MetadataFile() = default;
  /// The pictures, as the file writes them, one for each row.
  virtual const StringList& file_names() const = 0;
  /// Whether the row has a caption.
  virtual bool has_caption(int64_t row) const = 0;
  /// The captions of a row that has one. May be called from several threads.
  virtual std::vector<std::string> captions(int64_t row) const = 0;
  /// Its columns, for messages.
  virtual std::vector<std::string> columns() const = 0;
};

struct MetadataColumns {
  std::string image = "image", caption = "text";
};

/// Whether a file of this name is one: metadata.jsonl, metadata.csv, metadata.parquet.
bool is_metadata_file(std::string_view path);

/// Reads the whole file once, checking every row; captions are read again when they are asked for.
/// Error(kBadData) names the file and the line. The picture is named by the column `file_name`, or
/// by `<image column>_file_name`.
std::unique_ptr<MetadataFile> open_metadata_file(const std::filesystem::path& path,
                                                 const MetadataColumns& columns);

/// Each is one reader; see open_metadata_file.
std::unique_ptr<MetadataFile> open_jsonl_metadata(const std::filesystem::path& path,
                                                  const MetadataColumns& columns);
std::unique_ptr<MetadataFile> open_csv_metadata(const std::filesystem::path& path,
                                                const MetadataColumns& columns);
std::unique_ptr<MetadataFile> open_parquet_metadata(const std::filesystem::path& path,
                                                    const MetadataColumns& columns);

}  // namespace sdxl
