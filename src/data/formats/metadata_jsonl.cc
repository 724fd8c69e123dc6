// metadata.jsonl: one JSON object per line.
#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/files.h"
#include "base/json.h"
#include "base/utf8.h"
#include "data/captions.h"
#include "data/formats/text_metadata.h"

namespace sdxl {
namespace {

/// A line that is an object of a few texts without escapes, as most lines are: its fields without
/// the cost of a JSON value. Any other line, wrong ones among them, is parse_json()'s.
class PlainRow {
 public:
  using Field = std::pair<std::string_view, std::string_view>;

  static std::optional<PlainRow> read(std::string_view row) {
    PlainRow plain;
    plain.rest_ = row;
    if (!is_utf8(row) || !plain.take('{')) return std::nullopt;
    do {
      Field& field = plain.fields_[plain.count_++];
      if (!plain.take_text(&field.first) || !plain.take(':') || !plain.take_text(&field.second)) {
        return std::nullopt;
      }
      for (size_t i = 0; i + 1 < plain.count_; ++i) {
        if (plain.fields_[i].first == field.first) return std::nullopt;
      }
    } while (plain.count_ < plain.fields_.size() && plain.take(','));
    if (!plain.take('}') || plain.rest_.find_first_not_of(kSpace) != row.npos) return std::nullopt;
    return plain;
  }

  std::span<const Field> fields() const { return {fields_.data(), count_}; }
  const std::string_view* find(std::string_view key) const {
    for (const Field& field : fields()) {
      if (field.first == key) return &field.second;
    }
    return nullptr;
  }

 private:
  static constexpr std::string_view kSpace = " \t\r";

  bool take(char wanted) {
    const size_t at = rest_.find_first_not_of(kSpace);
    if (at == rest_.npos || rest_[at] != wanted) return false;
    rest_.remove_prefix(at + 1);
    return true;
  }

  bool take_text(std::string_view* text) {
    if (!take('"')) return false;
    const size_t end = rest_.find('"');
    if (end == rest_.npos) return false;
    *text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return std::none_of(text->begin(), text->end(),
                        [](char c) { return c == '\\' || static_cast<unsigned char>(c) < 0x20; });
  }

  std::string_view rest_;
  std::array<Field, 8> fields_;
  size_t count_ = 0;
};

class JsonlMetadata : public TextMetadata {
 public:
  JsonlMetadata(const fs::path& path, const MetadataColumns& columns)
      : TextMetadata(path), caption_column_(columns.caption) {
    const MappedFile mapped(path);
    const std::string_view text(reinterpret_cast<const char*>(mapped.data()), mapped.size());
    Columns seen;
    uint64_t begin = text.size() - without_byte_order_mark(text).size();
    for (int64_t line = 1; begin < text.size(); ++line) {
      const uint64_t end = std::min<uint64_t>(text.find('\n', begin), text.size());
      const std::string_view row = text.substr(begin, end - begin);
      if (!trimmed(row).empty()) add_row(row, begin, line, columns, &seen);
      begin = end + 1;
    }
    columns_.assign(seen.begin(), seen.end());
  }

  std::vector<std::string> captions(int64_t row) const override {
    const std::string text = record_text(row);
    if (const std::optional<PlainRow> plain = PlainRow::read(text)) {
      if (const std::string_view* caption = plain->find(caption_column_)) {
        return {std::string(*caption)};
      }
    }
    const std::string where = file_.path().string();
    const Json object = parse_json(text, where);
    const auto found = object.find(caption_column_);
    if (found == object.end()) {
      throw Error(ExitStatus::kBadData, quoted(where) + " changed while it was in use");
    }
    return captions_from_json(*found, caption_column_, where);
  }

 private:
  using Columns = std::set<std::string, std::less<>>;

  static void see(std::string_view column, Columns* seen) {
    if (seen->size() < 64 && seen->find(column) == seen->end()) seen->emplace(column);
  }

  void add_row(std::string_view row, uint64_t begin, int64_t line, const MetadataColumns& columns,
               Columns* seen) {
    if (const std::optional<PlainRow> plain = PlainRow::read(row)) {
      const std::string_view* file_name = plain->find("file_name");
      if (!file_name) file_name = plain->find(columns.image + "_file_name");
      if (file_name) {
        for (const auto& [key, value] : plain->fields()) see(key, seen);
        return add(*file_name, begin, row.size(), plain->find(columns.caption) != nullptr, line);
      }
    }
    add_any_row(row, begin, line, columns, seen);
  }

  void add_any_row(std::string_view row, uint64_t begin, int64_t line,
                   const MetadataColumns& columns, Columns* seen) {
    const Json object = parse_json(row, source(line));
    if (!object.is_object()) {
      throw Error(ExitStatus::kBadData, quoted(source(line)) + " is not a JSON object");
    }
    const Json* file_name = nullptr;
    const Json* caption = nullptr;
    for (const auto& [key, value] : object.items()) {
      if (key == "file_name" || (!file_name && key == columns.image + "_file_name")) {
        file_name = &value;
      }
      if (key == columns.caption) caption = &value;
      see(key, seen);
    }
    if (!file_name || !file_name->is_string()) {
      throw Error(ExitStatus::kBadData,
                  quoted(source(line)) + " has no text 'file_name' that names the picture");
    }
    const bool has_caption =
        caption && !captions_from_json(*caption, columns.caption, source(line)).empty();
    add(file_name->get_ref<const std::string&>(), begin, row.size(), has_caption, line);
  }

  std::string caption_column_;
};

}  // namespace

std::unique_ptr<MetadataFile> open_jsonl_metadata(const fs::path& path,
                                                  const MetadataColumns& columns) {
  return std::make_unique<JsonlMetadata>(path, columns);
}

}  // namespace sdxl
