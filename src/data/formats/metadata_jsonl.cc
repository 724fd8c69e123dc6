// metadata.jsonl: JSON objects, usually one per line.
#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"
#include "data/captions.h"
#include "data/formats/json_rows.h"
#include "data/formats/text_metadata.h"

namespace sdxl {
namespace {

/// The fields of an object of a few texts without escapes, as most rows are, without the cost of a
/// JSON value. All other rows, wrong ones included, are left to parse_json_row().
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
  static constexpr std::string_view kSpace = " \t\r\n";

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
  JsonlMetadata(const FileTree& tree, const std::string& path, const MetadataColumns& columns)
      : TextMetadata(tree, path), names_(columns) {
    Columns seen;
    scan([&](std::string_view text) {
      JsonRows rows(text);
      while (rows.next()) try_row(rows, &seen);
    });
    columns_.assign(seen.begin(), seen.end());
  }

  std::vector<std::string> captions(int64_t row) const override {
    if (!has_caption(row)) return {};
    const std::string text = record_text(row);
    if (const std::optional<PlainRow> plain = PlainRow::read(text)) {
      if (const std::string_view* caption = plain->find(names_.caption)) {
        return {std::string(*caption)};
      }
    }
    const Json object = parse_json_row(text, path_);
    const auto found = object.find(names_.caption);
    if (found == object.end()) throw bad_data(path_, "the file changed while it was in use");
    return captions_from_json(*found, names_.caption, path_);
  }

 private:
  using Columns = std::set<std::string, std::less<>>;

  static void see(std::string_view column, Columns* seen) {
    if (seen->size() < 64 && !seen->contains(column)) seen->emplace(column);
  }

  void try_row(const JsonRows& rows, Columns* seen) {
    try {
      add_row(rows, seen);
    } catch (const Error& error) {
      unusable_.push_back({source(rows.line()), error.what()});
    }
  }

  void add_row(const JsonRows& rows, Columns* seen) {
    if (const std::optional<PlainRow> plain = PlainRow::read(rows.row())) {
      const std::string_view* file_name = plain->find("file_name");
      if (!file_name) file_name = plain->find(names_.image + "_file_name");
      if (file_name) {
        for (const auto& [key, value] : plain->fields()) see(key, seen);
        return add(*file_name, rows.begin(), rows.row().size(),
                   plain->find(names_.caption) != nullptr, rows.line());
      }
    }
    add_any_row(rows, seen);
  }

  void add_any_row(const JsonRows& rows, Columns* seen) {
    const std::string where = source(rows.line());
    const Json object = parse_json_row(rows.row(), where);
    if (object.is_array())
      throw bad_data(where, "is a list; write its objects one after the other");
    if (!object.is_object()) throw bad_data(where, "is not a JSON object");
    const Json* file_name = nullptr;
    const Json* caption = nullptr;
    bool names_several = false;
    for (const auto& [key, value] : object.items()) {
      if (key == "file_name" || (!file_name && key == names_.image + "_file_name")) {
        file_name = &value;
      }
      names_several = names_several || key == "file_names" || key.ends_with("_file_names");
      if (key == names_.caption) caption = &value;
      see(key, seen);
    }
    if (!file_name && names_several) {
      throw bad_data(where, "names several pictures; give each a row with its 'file_name'");
    }
    if (!file_name || !file_name->is_string()) {
      throw bad_data(where, "has no text 'file_name' that names the picture");
    }
    const bool has_caption =
        caption && !captions_from_json(*caption, names_.caption, where).empty();
    add(file_name->get_ref<const std::string&>(), rows.begin(), rows.row().size(), has_caption,
        rows.line());
  }

  MetadataColumns names_;
};

}  // namespace

std::unique_ptr<MetadataFile> open_jsonl_metadata(const FileTree& tree, const std::string& path,
                                                  const MetadataColumns& columns) {
  return std::make_unique<JsonlMetadata>(tree, path, columns);
}

}  // namespace sdxl
