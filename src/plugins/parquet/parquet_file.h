// A Parquet file with random access to the values of its rows.
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

/// Thread-safe. Functions throw std::exception; Sink and results are as in include/sdxl/parquet.h.
class ParquetFile {
 public:
  explicit ParquetFile(const std::string& path);

  int64_t rows() const { return rows_; }
  void columns(const Sink& sink) const;
  void read(const std::string& column, int64_t row, const Sink& sink);

 private:
  /// A top-level column.
  struct Column {
    int kind = SDXL_PARQUET_OTHER;
    std::vector<std::pair<int, int>> leaves;  ///< The kind of piece and the leaf's number.
  };
  /// The lists of texts of a row group.
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
  std::vector<int64_t> group_begin_;  // the first row of each row group, then the number of rows
  std::vector<std::pair<std::string, Column>> columns_;
  uint64_t number_;   // identifies this object in DecodedCache
  std::mutex mutex_;  // guards reader_ and pages_
  std::map<std::pair<int, int>, std::shared_ptr<const ColumnPages>>
      pages_;  // by row group and leaf
};

}  // namespace sdxl::parquet_plugin
