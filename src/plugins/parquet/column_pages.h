// Random access to one column of bytes or text in one row group: which pages it has, and one of
// them decoded. A page is read alone, so that a row costs its page and not its row group.
#pragma once

#include <arrow/io/interfaces.h>
#include <parquet/column_reader.h>
#include <parquet/file_reader.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace sdxl::parquet_plugin {

struct Page {
  int64_t begin, end;  // In the file, header included.
  int64_t first_row, rows;
};

// Where the pages of a column without repetition lie: from the file's page index where it has one,
// else by reading the page headers.
class ColumnPages {
 public:
  ColumnPages(parquet::ParquetFileReader& file, std::shared_ptr<arrow::io::RandomAccessFile> source,
              int row_group, int leaf);

  // The page that holds `row` of the row group.
  size_t find(int64_t row) const;
  const Page& operator[](size_t index) const { return pages_[index]; }
  // The bytes of the dictionary (if any) and of a page, as a column chunk of its own.
  std::unique_ptr<parquet::PageReader> open(size_t index) const;
  const parquet::ColumnDescriptor* descriptor() const { return descriptor_; }

 private:
  bool take_page_index(parquet::ParquetFileReader& file, int row_group, int leaf);
  void scan_headers();
  void check() const;

  std::shared_ptr<arrow::io::RandomAccessFile> source_;
  const parquet::ColumnDescriptor* descriptor_;
  parquet::Compression::type codec_;
  int64_t rows_, chunk_begin_, chunk_end_;
  std::vector<Page> pages_;
};

// The values of a page, in memory as long as this object lives.
class DecodedPage {
 public:
  DecodedPage(const ColumnPages& pages, size_t index);

  // Nothing for a null.
  std::optional<std::string_view> value(int64_t row_of_group) const;
  int64_t bytes() const { return bytes_; }

 private:
  int64_t first_row_, bytes_ = 0;
  std::shared_ptr<parquet::ColumnReader> reader_;  // Owns what the values point to.
  std::vector<parquet::ByteArray> values_;
  std::vector<int64_t> place_;  // Of each row in values_; -1 for a null.
};

}  // namespace sdxl::parquet_plugin
