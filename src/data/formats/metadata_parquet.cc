// metadata.parquet.
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "data/formats/metadata_file.h"
#include "data/formats/parquet_reader.h"

namespace sdxl {
namespace {

class ParquetMetadata : public MetadataFile {
 public:
  ParquetMetadata(const std::string& path, const MetadataColumns& columns)
      : reader_(path), caption_column_(columns.caption) {
    std::string names = "file_name";
    if (!reader_.column(names)) names = columns.image + "_file_name";
    const ParquetReader::Column* file_name = reader_.column(names);
    if (!file_name || file_name->kind != SDXL_PARQUET_TEXT) {
      throw bad_data(path,
                     "has no column 'file_name' of texts; its columns: ", reader_.column_names());
    }
    const ParquetReader::Column* caption = reader_.column(caption_column_);
    const bool captioned =
        caption && (caption->kind == SDXL_PARQUET_TEXT || caption->kind == SDXL_PARQUET_TEXTS);
    for (int64_t row = 0; row < reader_.rows(); ++row) {
      const ParquetReader::Value value = reader_.read(names, row);
      if (value.texts.empty()) {
        const std::string source = str(path, " row ", row);
        unusable_.push_back({source, source + " names no picture"});
        continue;
      }
      file_names_.add(value.texts.front());
      rows_.push_back({row, captioned && !reader_.read(caption_column_, row).texts.empty()});
    }
  }

  bool has_caption(int64_t row) const override { return rows_[row].has_caption; }
  std::vector<std::string> captions(int64_t row) const override {
    if (!has_caption(row)) return {};
    return reader_.read(caption_column_, rows_[row].number).texts;
  }
  std::vector<std::string> columns() const override {
    std::vector<std::string> names;
    for (const ParquetReader::Column& column : reader_.columns()) names.push_back(column.name);
    return names;
  }

 private:
  struct Row {
    int64_t number;
    bool has_caption;
  };

  ParquetReader reader_;
  std::string caption_column_;
  std::vector<Row> rows_;
};

}  // namespace

std::unique_ptr<MetadataFile> open_parquet_metadata(const FileTree& tree, const std::string& path,
                                                    const MetadataColumns& columns) {
  if (tree.is_archived(path)) {
    throw bad_data(tree.full_path(path), "metadata.parquet is not read in a zip file; unpack it");
  }
  return std::make_unique<ParquetMetadata>(tree.full_path(path), columns);
}

}  // namespace sdxl
