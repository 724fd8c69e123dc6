// metadata.parquet of an image folder.
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "data/formats/metadata_file.h"
#include "data/formats/parquet_reader.h"

namespace sdxl {
namespace {

class ParquetMetadata : public MetadataFile {
 public:
  ParquetMetadata(const std::filesystem::path& path, const MetadataColumns& columns)
      : reader_(path), caption_column_(columns.caption) {
    std::string names = "file_name";
    if (!reader_.column(names)) names = columns.image + "_file_name";
    const ParquetReader::Column* file_name = reader_.column(names);
    if (!file_name || file_name->kind != SDXL_PARQUET_TEXT) {
      throw Error(ExitStatus::kBadData,
                  str(quoted(path.string()), " has no column 'file_name' of texts; its columns: ",
                      reader_.column_names()));
    }
    const ParquetReader::Column* caption = reader_.column(caption_column_);
    const bool captioned =
        caption && (caption->kind == SDXL_PARQUET_TEXT || caption->kind == SDXL_PARQUET_TEXTS);
    for (int64_t row = 0; row < reader_.rows(); ++row) {
      const ParquetReader::Value value = reader_.read(names, row);
      if (value.texts.empty()) {
        throw Error(ExitStatus::kBadData,
                    str(quoted(path.string()), " row ", row, " has no file name"));
      }
      file_names_.add(value.texts.front());
      has_caption_.push_back(captioned && !reader_.read(caption_column_, row).texts.empty());
    }
  }

  const StringList& file_names() const override { return file_names_; }
  bool has_caption(int64_t row) const override { return has_caption_[row]; }
  std::vector<std::string> captions(int64_t row) const override {
    return reader_.read(caption_column_, row).texts;
  }
  std::vector<std::string> columns() const override {
    std::vector<std::string> names;
    for (const ParquetReader::Column& column : reader_.columns()) names.push_back(column.name);
    return names;
  }

 private:
  ParquetReader reader_;
  std::string caption_column_;
  StringList file_names_;
  std::vector<bool> has_caption_;
};

}  // namespace

std::unique_ptr<MetadataFile> open_parquet_metadata(const std::filesystem::path& path,
                                                    const MetadataColumns& columns) {
  return std::make_unique<ParquetMetadata>(path, columns);
}

}  // namespace sdxl
