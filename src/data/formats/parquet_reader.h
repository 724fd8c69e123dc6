// Reads Parquet files with libsdxl_parquet.so, which the first reader loads.
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

/// One Parquet file. Thread-safe.
class ParquetReader {
 public:
  /// Error(kUnavailable) if the library is missing, Error(kBadData) if the file is not Parquet.
  explicit ParquetReader(const std::filesystem::path& path);
  ~ParquetReader();
  ParquetReader(const ParquetReader&) = delete;
  ParquetReader& operator=(const ParquetReader&) = delete;

  struct Column {
    std::string name;
    sdxl_parquet_kind kind;
  };
  /// The parts of a cell; a null cell has none.
  struct Value {
    std::optional<std::string> bytes, path;
    std::vector<std::string> texts;
  };

  int64_t rows() const { return rows_; }
  const std::vector<Column>& columns() const { return columns_; }
  /// The column of this name, or null.
  const Column* column(const std::string& name) const;
  /// All names joined by ", ", for messages.
  std::string column_names() const;
  /// Error(kBadData) names the file and the row.
  Value read(const std::string& column, int64_t row) const;

 private:
  std::filesystem::path path_;
  sdxl_parquet_file* file_ = nullptr;
  int64_t rows_ = 0;
  std::vector<Column> columns_;
};

}  // namespace sdxl
