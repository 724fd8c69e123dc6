// metadata.csv: a header line and one record per picture, read as pandas' read_csv reads them.
#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "base/utf8.h"
#include "data/formats/csv.h"
#include "data/formats/text_metadata.h"

namespace sdxl {
namespace {

/// Whether pandas takes a field for a missing value.
bool is_missing_value(std::string_view field) {
  static const std::set<std::string_view> kValues = {
      "",     "#N/A",   "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN",
      "-nan", "1.#IND", "1.#QNAN",  "<NA>", "N/A",     "NA",       "NULL",
      "NaN",  "None",   "n/a",      "nan",  "null"};
  return kValues.contains(field);
}

bool is_empty_record(const std::vector<std::string>& fields) {
  return std::all_of(fields.begin(), fields.end(),
                     [](const std::string& field) { return trimmed(field).empty(); });
}

class CsvMetadata : public TextMetadata {
 public:
  CsvMetadata(const FileTree& tree, const std::string& path, const MetadataColumns& columns)
      : TextMetadata(tree, path) {
    int64_t empty = 0;
    scan([&](std::string_view text) {
      CsvReader reader(text, path_);
      read_header(text, reader, columns);
      std::vector<std::string> fields;
      while (reader.next(&fields)) {
        if (is_empty_record(fields)) {
          ++empty;
        } else {
          add_record(text, reader, &fields);
        }
      }
    });
    if (empty > 0) {
      notes_.push_back(str(empty, empty == 1 ? " empty row of " : " empty rows of ", quoted(path_),
                           empty == 1 ? " is left out" : " are left out"));
    }
  }

  std::vector<std::string> captions(int64_t row) const override {
    if (!has_caption(row)) return {};
    const std::string text = record_text(row);
    CsvReader reader(text, path_);
    std::vector<std::string> fields;
    if (!reader.next(&fields) || fields.size() <= *caption_) {
      throw bad_data(path_, "the file changed while it was in use");
    }
    return {fields[*caption_]};
  }

 private:
  static std::optional<size_t> index_of(const std::vector<std::string>& names,
                                        const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return std::nullopt;
    return static_cast<size_t>(found - names.begin());
  }

  void read_header(std::string_view text, CsvReader& reader, const MetadataColumns& columns) {
    if (!reader.next(&columns_)) throw bad_data(path_, "is empty; it needs a header line");
    if (!is_utf8(text.substr(reader.begin(), reader.end() - reader.begin()))) {
      throw bad_data(path_, "is not UTF-8; convert it (iconv -t UTF-8)");
    }
    std::optional<size_t> file_name = index_of(columns_, "file_name");
    if (!file_name) file_name = index_of(columns_, columns.image + "_file_name");
    if (!file_name) {
      const bool other_separator =
          columns_.size() == 1 && columns_.front().find_first_of(";\t") != std::string::npos;
      throw bad_data(path_,
                     "has no column 'file_name'; its columns: ", escaped(join(columns_, ", ")),
                     other_separator ? "; save it with commas between the fields" : "");
    }
    file_name_ = *file_name;
    caption_ = index_of(columns_, columns.caption);
  }

  /// Short records have no value in their last columns; further fields may only be empty.
  void add_record(std::string_view text, const CsvReader& reader,
                  std::vector<std::string>* fields) {
    const std::string_view record = text.substr(reader.begin(), reader.end() - reader.begin());
    const auto refuse = [&](const auto&... why) {
      unusable_.push_back({source(reader.line()), str(source(reader.line()), " ", why...)});
    };
    while (fields->size() > columns_.size() && fields->back().empty()) fields->pop_back();
    if (fields->size() > columns_.size()) {
      return refuse("has ", fields->size(), " fields where the header has ", columns_.size(),
                    "; put quotes around fields with commas");
    }
    fields->resize(columns_.size());
    if (!is_utf8(record)) return refuse("is not UTF-8; convert the file (iconv -t UTF-8)");
    if ((*fields)[file_name_].empty()) return refuse("names no picture");
    add((*fields)[file_name_], reader.begin(), record.size(),
        caption_ && !is_missing_value((*fields)[*caption_]), reader.line());
  }

  size_t file_name_ = 0;
  std::optional<size_t> caption_;
};

}  // namespace

std::unique_ptr<MetadataFile> open_csv_metadata(const FileTree& tree, const std::string& path,
                                                const MetadataColumns& columns) {
  return std::make_unique<CsvMetadata>(tree, path, columns);
}

}  // namespace sdxl
