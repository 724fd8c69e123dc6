// One Parquet file: its columns as data sets have them, and any value of any row.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/parquet/column_pages.h"
#include "plugins/parquet/decoded_cache.h"
#include "sdxl/parquet.h"

namespace sdxl::parquet_plugin {

using Sink = std::function<void(int kind, std::string_view data)>;

class ParquetFile {
 public:
  explicit ParquetFile(const std::string& path);

  int64_t rows() const { return rows_; }
  void columns(const Sink& sink) const;
  void read(const std::string& column, int64_t row, const Sink& sink);

 private:
  // A top-level column; leaves by the kind of their pieces.
  struct Column {
    int kind = SDXL_PARQUET_OTHER;
    std::vector<std::pair<int, int>> leaves;  // Piece's kind, leaf number.
  };
  // Of each row of a row group.
  class Texts {
   public:
    std::vector<std::vector<std::string>> rows;
    int64_t bytes() const;
  };

  static Column classify(const parquet::schema::Node& node);
  void number_leaves();
  int row_group_of(int64_t row) const;
  void read_leaf(int leaf, int kind, int64_t row, const Sink& sink);
  void read_list(int leaf, int64_t row, const Sink& sink);
  std::shared_ptr<const DecodedPage> page(int leaf, int group, int64_t row_of_group);
  std::shared_ptr<const ColumnPages> pages(int leaf, int group);
  std::shared_ptr<const Texts> texts(int leaf, int group);

  std::shared_ptr<arrow::io::RandomAccessFile> source_;
  std::unique_ptr<parquet::ParquetFileReader> reader_;
  int64_t rows_ = 0;
  std::vector<int64_t> group_begin_;  // First row of each row group, and the number of rows.
  std::vector<std::pair<std::string, Column>> columns_;
  uint64_t number_;   // Of this object among all of the process.
  std::mutex mutex_;  // For the reader and the map.
  std::map<std::pair<int, int>, std::shared_ptr<const ColumnPages>> pages_;  // By row group, leaf.
};

}  // namespace sdxl::parquet_plugin
