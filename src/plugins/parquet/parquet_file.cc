#include "plugins/parquet/parquet_file.h"

#include <arrow/io/file.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace sdxl::parquet_plugin {
namespace {

std::atomic<uint64_t> files_opened{0};

using parquet::schema::GroupNode;
using parquet::schema::Node;

bool is_byte_array(const Node& node) {
  return node.is_primitive() && !node.is_repeated() &&
         static_cast<const parquet::schema::PrimitiveNode&>(node).physical_type() ==
             parquet::Type::BYTE_ARRAY;
}

bool is_text(const Node& node) {
  return is_byte_array(node) &&
         (node.logical_type()->is_string() || node.logical_type()->is_JSON() ||
          node.converted_type() == parquet::ConvertedType::UTF8);
}

/// The element of a list, null if `node` is none:
/// optional group x (LIST) { repeated group list { optional binary element (STRING) } }
const Node* list_element(const Node& node) {
  if (!node.is_group() || node.is_repeated() || !node.logical_type()->is_list()) return nullptr;
  const auto& outer = static_cast<const GroupNode&>(node);
  if (outer.field_count() != 1 || !outer.field(0)->is_repeated() || !outer.field(0)->is_group()) {
    return nullptr;
  }
  const auto& inner = static_cast<const GroupNode&>(*outer.field(0));
  return inner.field_count() == 1 ? inner.field(0).get() : nullptr;
}

int leaves_below(const Node& node) {
  if (node.is_primitive()) return 1;
  const auto& group = static_cast<const GroupNode&>(node);
  int count = 0;
  for (int i = 0; i < group.field_count(); ++i) count += leaves_below(*group.field(i));
  return count;
}

}  // namespace

ParquetFile::ParquetFile(const std::string& path) : number_(files_opened++) {
  PARQUET_ASSIGN_OR_THROW(source_, arrow::io::ReadableFile::Open(path));
  reader_ = parquet::ParquetFileReader::Open(source_);
  const auto metadata = reader_->metadata();
  for (int g = 0; g < metadata->num_row_groups(); ++g) {
    const int64_t rows = metadata->RowGroup(g)->num_rows();
    if (rows < 0 || rows > INT64_MAX / 2 - rows_) {
      throw parquet::ParquetException("a count of rows is wrong");
    }
    group_begin_.push_back(rows_);
    rows_ += rows;
  }
  group_begin_.push_back(rows_);
  number_leaves();
}

/// Numbers the leaves relative to the column's first.
ParquetFile::Column ParquetFile::classify(const Node& node) {
  if (is_text(node)) return {SDXL_PARQUET_TEXT, {{SDXL_PARQUET_TEXT, 0}}};
  if (is_byte_array(node)) return {SDXL_PARQUET_BYTES, {{SDXL_PARQUET_BYTES, 0}}};
  if (const Node* element = list_element(node)) {
    if (is_text(*element)) return {SDXL_PARQUET_TEXTS, {{SDXL_PARQUET_TEXT, 0}}};
    const bool pictures = classify(*element).kind == SDXL_PARQUET_PICTURE;
    return {pictures ? SDXL_PARQUET_PICTURES : SDXL_PARQUET_OTHER, {}};
  }
  if (!node.is_group() || node.is_repeated() || node.logical_type()->is_nested()) return {};
  const auto& group = static_cast<const GroupNode&>(node);
  Column column;
  int leaf = 0;
  for (int i = 0; i < group.field_count(); leaf += leaves_below(*group.field(i)), ++i) {
    const Node& field = *group.field(i);
    if (field.name() == "bytes" && is_byte_array(field)) {
      column.leaves.push_back({SDXL_PARQUET_BYTES, leaf});
    }
    if (field.name() == "path" && is_byte_array(field)) {
      column.leaves.push_back({SDXL_PARQUET_PATH, leaf});
    }
  }
  if (!column.leaves.empty()) column.kind = SDXL_PARQUET_PICTURE;
  return column;
}

void ParquetFile::number_leaves() {
  const GroupNode& root = *reader_->metadata()->schema()->group_node();
  int first = 0;
  for (int i = 0; i < root.field_count(); ++i) {
    Column column = classify(*root.field(i));
    for (auto& [kind, leaf] : column.leaves) leaf += first;
    columns_.emplace_back(root.field(i)->name(), std::move(column));
    first += leaves_below(*root.field(i));
  }
}

void ParquetFile::columns(const Sink& sink) const {
  for (const auto& [name, column] : columns_) sink(column.kind, name);
}

int ParquetFile::row_group_of(int64_t row) const {
  if (row < 0 || row >= rows_) throw std::out_of_range("there is no such row");
  const auto behind = std::upper_bound(group_begin_.begin(), group_begin_.end(), row);
  return static_cast<int>(behind - group_begin_.begin()) - 1;
}

void ParquetFile::read(const std::string& name, int64_t row, const Sink& sink) {
  const auto found = std::find_if(columns_.begin(), columns_.end(),
                                  [&](const auto& column) { return column.first == name; });
  if (found == columns_.end()) throw std::out_of_range("there is no column " + name);
  for (const auto& [kind, leaf] : found->second.leaves) {
    if (found->second.kind == SDXL_PARQUET_TEXTS) {
      read_list(leaf, row, sink);
    } else {
      read_leaf(leaf, kind, row, sink);
    }
  }
}

void ParquetFile::read_leaf(int leaf, int kind, int64_t row, const Sink& sink) {
  const int group = row_group_of(row);
  const int64_t row_of_group = row - group_begin_[group];
  if (const auto value = page(leaf, group, row_of_group)->value(row_of_group)) sink(kind, *value);
}

std::shared_ptr<const ColumnPages> ParquetFile::pages(int leaf, int group) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const ColumnPages>& pages = pages_[{group, leaf}];
  if (!pages) pages = std::make_shared<ColumnPages>(*reader_, source_, group, leaf);
  return pages;
}

std::shared_ptr<const DecodedPage> ParquetFile::page(int leaf, int group, int64_t row_of_group) {
  const std::shared_ptr<const ColumnPages> all = pages(leaf, group);
  const size_t index = all->find(row_of_group);
  return DecodedCache::instance().get<DecodedPage>(
      {number_, leaf, group_begin_[group] + (*all)[index].first_row},
      [&] { return std::make_shared<const DecodedPage>(*all, index); });
}

int64_t ParquetFile::Texts::bytes() const {
  int64_t bytes = 0;
  for (const auto& row : rows) {
    for (const std::string& text : row) bytes += std::ssize(text) + 64;
  }
  return bytes;
}

void ParquetFile::read_list(int leaf, int64_t row, const Sink& sink) {
  const int group = row_group_of(row);
  const std::shared_ptr<const Texts> all = DecodedCache::instance().get<Texts>(
      {number_, leaf, group_begin_[group]}, [&] { return texts(leaf, group); });
  for (const std::string& text : all->rows.at(row - group_begin_[group])) {
    sink(SDXL_PARQUET_TEXT, text);
  }
}

// Decodes the whole row group: only the repetition levels give a list's length.
std::shared_ptr<const ParquetFile::Texts> ParquetFile::texts(int leaf, int group) {
  const std::lock_guard lock(mutex_);
  const auto column = reader_->RowGroup(group)->Column(leaf);
  auto* typed = dynamic_cast<parquet::ByteArrayReader*>(column.get());
  if (!typed) throw parquet::ParquetException("a list is not of texts");
  const int16_t full = column->descr()->max_definition_level();
  auto texts = std::make_shared<Texts>();
  while (typed->HasNext()) {
    int16_t definition, repetition;
    parquet::ByteArray value;
    int64_t values = 0;
    if (typed->ReadBatch(1, &definition, &repetition, &value, &values) != 1) break;
    if (repetition == 0) texts->rows.emplace_back();
    if (texts->rows.empty()) throw parquet::ParquetException("a list begins in the middle");
    if (definition == full && values == 1) {
      texts->rows.back().emplace_back(reinterpret_cast<const char*>(value.ptr), value.len);
    }
  }
  if (std::ssize(texts->rows) != group_begin_[group + 1] - group_begin_[group]) {
    throw parquet::ParquetException("a column lacks rows");
  }
  return texts;
}

}  // namespace sdxl::parquet_plugin
