#include "plugins/parquet/column_pages.h"

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>
#include <parquet/properties.h>

#include <algorithm>

namespace sdxl::parquet_plugin {
namespace {

using arrow::Result;
using arrow::Status;

/// A range of the file for a PageReader that only reads page headers: it skips the bytes after a
/// data page's header.
class HeaderStream : public arrow::io::InputStream {
 public:
  HeaderStream(std::shared_ptr<arrow::io::RandomAccessFile> file, int64_t begin, int64_t end)
      : file_(std::move(file)), position_(begin), end_(end) {}

  /// Makes the next Read() skip the page whose header was just read.
  void skip_page() { skipping_ = true; }
  /// Where that header begins.
  int64_t header_begin() const { return header_begin_; }
  int64_t position() const { return position_; }

  Result<std::string_view> Peek(int64_t count) override {
    header_begin_ = position_;
    ARROW_ASSIGN_OR_RAISE(peeked_, file_->ReadAt(position_, std::min(count, end_ - position_)));
    return std::string_view(*peeked_);
  }
  Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    count = std::clamp<int64_t>(count, 0, end_ - position_);
    if (skipping_) {
      skipping_ = false;
      position_ += count;
      return std::make_shared<arrow::Buffer>(nullptr, 0);
    }
    ARROW_ASSIGN_OR_RAISE(auto buffer, file_->ReadAt(position_, count));
    position_ += buffer->size();
    return buffer;
  }
  Result<int64_t> Read(int64_t count, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const auto buffer, Read(count));
    std::copy_n(buffer->data(), buffer->size(), static_cast<uint8_t*>(out));
    return buffer->size();
  }
  Status Close() override { return Status::OK(); }
  Result<int64_t> Tell() const override { return position_; }
  bool closed() const override { return false; }

 private:
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  std::shared_ptr<arrow::Buffer> peeked_;
  int64_t position_, end_, header_begin_ = 0;
  bool skipping_ = false;
};

}  // namespace

ColumnPages::ColumnPages(parquet::ParquetFileReader& file,
                         std::shared_ptr<arrow::io::RandomAccessFile> source, int row_group,
                         int leaf)
    : source_(std::move(source)), descriptor_(file.metadata()->schema()->Column(leaf)) {
  const auto group = file.metadata()->RowGroup(row_group);
  const auto chunk = group->ColumnChunk(leaf);
  codec_ = chunk->compression();
  rows_ = group->num_rows();
  chunk_begin_ = chunk->data_page_offset();
  if (chunk->has_dictionary_page() && chunk->dictionary_page_offset() > 0) {
    chunk_begin_ = std::min(chunk_begin_, chunk->dictionary_page_offset());
  }
  PARQUET_ASSIGN_OR_THROW(const int64_t size, source_->GetSize());
  if (chunk_begin_ < 0 || chunk->total_compressed_size() < 0 ||
      chunk->total_compressed_size() > size - chunk_begin_) {
    throw parquet::ParquetException("a column lies outside of the file");
  }
  chunk_end_ = chunk_begin_ + chunk->total_compressed_size();
  if (!take_page_index(file, row_group, leaf)) scan_headers();
  check();
}

bool ColumnPages::take_page_index(parquet::ParquetFileReader& file, int row_group, int leaf) {
  const auto reader = file.GetPageIndexReader();
  const auto group = reader ? reader->RowGroup(row_group) : nullptr;
  const auto index = group ? group->GetOffsetIndex(leaf) : nullptr;
  if (!index) return false;
  for (const parquet::PageLocation& location : index->page_locations()) {
    pages_.push_back({location.offset, location.offset + location.compressed_page_size,
                      location.first_row_index, 0});
  }
  for (size_t i = 0; i < pages_.size(); ++i) {
    pages_[i].rows =
        (i + 1 < pages_.size() ? pages_[i + 1].first_row : rows_) - pages_[i].first_row;
  }
  return true;
}

void ColumnPages::scan_headers() {
  const auto stream = std::make_shared<HeaderStream>(source_, chunk_begin_, chunk_end_);
  const auto reader = parquet::PageReader::Open(stream, rows_, codec_,
                                                parquet::default_reader_properties(), *descriptor_);
  int64_t row = 0;
  reader->set_data_page_filter([&](const parquet::DataPageStats& page) {
    if (!pages_.empty()) pages_.back().end = stream->header_begin();
    pages_.push_back({stream->header_begin(), 0, row, page.num_values});
    row += page.num_values;
    stream->skip_page();
    return true;
  });
  while (reader->NextPage()) {
  }
  if (!pages_.empty()) pages_.back().end = stream->position();
}

void ColumnPages::check() const {
  int64_t row = 0, position = chunk_begin_;
  for (const Page& page : pages_) {
    if (page.begin < position || page.end <= page.begin || page.end > chunk_end_ ||
        page.first_row != row || page.rows < 1) {
      throw parquet::ParquetException("the pages of a column are not in order");
    }
    row += page.rows;
    position = page.end;
  }
  if (row != rows_) throw parquet::ParquetException("a column lacks rows");
}

size_t ColumnPages::find(int64_t row) const {
  const auto behind = std::upper_bound(pages_.begin(), pages_.end(), row,
                                       [](int64_t r, const Page& p) { return r < p.first_row; });
  return static_cast<size_t>(behind - pages_.begin()) - 1;
}

std::unique_ptr<parquet::PageReader> ColumnPages::open(size_t index) const {
  const Page& page = pages_[index];
  const int64_t dictionary = pages_.front().begin - chunk_begin_, data = page.end - page.begin;
  PARQUET_ASSIGN_OR_THROW(std::shared_ptr<arrow::Buffer> bytes,
                          arrow::AllocateBuffer(dictionary + data));
  uint8_t* out = bytes->mutable_data();
  PARQUET_THROW_NOT_OK(source_->ReadAt(chunk_begin_, dictionary, false, out));
  PARQUET_THROW_NOT_OK(source_->ReadAt(page.begin, data, false, out + dictionary));
  return parquet::PageReader::Open(std::make_shared<arrow::io::BufferReader>(std::move(bytes)),
                                   page.rows, codec_, parquet::default_reader_properties(),
                                   *descriptor_);
}

DecodedPage::DecodedPage(const ColumnPages& pages, size_t index)
    : first_row_(pages[index].first_row) {
  const int64_t rows = pages[index].rows;
  reader_ = parquet::ColumnReader::Make(pages.descriptor(), pages.open(index));
  auto* typed = dynamic_cast<parquet::ByteArrayReader*>(reader_.get());
  if (!typed || !typed->HasNext()) throw parquet::ParquetException("a page cannot be decoded");
  std::vector<int16_t> levels(rows, pages.descriptor()->max_definition_level());
  values_.resize(rows);
  int64_t values = 0;
  const int64_t read = typed->ReadBatch(rows, levels.data(), nullptr, values_.data(), &values);
  if (read != rows) throw parquet::ParquetException("a page is shorter than its header says");
  int64_t place = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const bool there = levels[i] == pages.descriptor()->max_definition_level();
    place_.push_back(there ? place++ : -1);
  }
  if (place != values) throw parquet::ParquetException("a page has other values than levels");
  for (int64_t i = 0; i < values; ++i) bytes_ += values_[i].len;
}

std::optional<std::string_view> DecodedPage::value(int64_t row_of_group) const {
  const int64_t place = place_.at(static_cast<size_t>(row_of_group - first_row_));
  if (place < 0) return std::nullopt;
  const parquet::ByteArray& value = values_[place];
  return std::string_view(reinterpret_cast<const char*>(value.ptr), value.len);
}

}  // namespace sdxl::parquet_plugin
