// Parquet files through libsdxl_parquet.so, which is opened with the first of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdxl/parquet.h"

namespace sdxl {

/// One file. Functions may be called from several threads.
class ParquetReader {
 public:
  /// Error(kUnavailable) without the library, Error(kBadData) for what is no Parquet file.
  explicit ParquetReader(const std::filesystem::path& path);
  ~ParquetReader();
  ParquetReader(const ParquetReader&) = delete;
  ParquetReader& operator=(const ParquetReader&) = delete;

  struct Column {
    std::string name;
    sdxl_parquet_kind kind;
  };
  /// The pieces that are there; none for a null.
  struct Value {
    std::optional<std::string> bytes, path;
    std::vector<std::string> texts;
  };

  int64_t rows() const { return rows_; }
  const std::vector<Column>& columns() const { return columns_; }
  /// Null if there is none of this name.
  const Column* column(const std::string& name) const;
  /// "a, b, c" for messages.
  std::string column_names() const;
  /// Error(kBadData) that names file and row.
  Value read(const std::string& column, int64_t row) const;

 private:
  std::filesystem::path path_;
  sdxl_parquet_file* file_ = nullptr;
  int64_t rows_ = 0;
  std::vector<Column> columns_;
};

}  // namespace sdxl
