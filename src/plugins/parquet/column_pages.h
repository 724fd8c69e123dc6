// Random access to the pages of a column of bytes or text in a row group. Reading a row decodes its
// page instead of its row group.
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
  int64_t begin, end;  ///< Byte offsets in the file, with the header.
  int64_t first_row, rows;
};

/// The pages of a column without repetition, from the file's page index or else from the page
/// headers.
class ColumnPages {
 public:
  ColumnPages(parquet::ParquetFileReader& file, std::shared_ptr<arrow::io::RandomAccessFile> source,
              int row_group, int leaf);

  /// The index of the page with `row` of the row group.
  size_t find(int64_t row) const;
  const Page& operator[](size_t index) const { return pages_[index]; }
  /// Reads the dictionary (if any) and one page, as if they were a column chunk.
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

/// The values of a page, which stay in memory while this object lives.
class DecodedPage {
 public:
  DecodedPage(const ColumnPages& pages, size_t index);

  /// Nothing for a null.
  std::optional<std::string_view> value(int64_t row_of_group) const;
  int64_t bytes() const { return bytes_; }

 private:
  int64_t first_row_, bytes_ = 0;
  std::shared_ptr<parquet::ColumnReader> reader_;  // owns the memory of values_
  std::vector<parquet::ByteArray> values_;
  std::vector<int64_t> place_;  // index of each row's value; -1 for a null
};

}  // namespace sdxl::parquet_plugin
