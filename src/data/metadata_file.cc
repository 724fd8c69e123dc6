// The readers of metadata.jsonl and metadata.csv.
#include "data/metadata_file.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "data/captions.h"
#include "data/csv.h"
#include "data/random_access_file.h"

namespace sdxl {
namespace {

// Where a row lies in the file; a length of 0 marks a row without caption.
struct Record {
  uint64_t offset;
  uint32_t length;
  bool has_caption;
};

class TextMetadata : public MetadataFile {
 public:
  explicit TextMetadata(const fs::path& path) : file_(path) {}
  const StringList& file_names() const override { return file_names_; }
  bool has_caption(int64_t row) const override { return records_[row].has_caption; }
  std::vector<std::string> columns() const override { return columns_; }

 protected:
  std::string source(int64_t line) const { return str(file_.path().string(), " line ", line); }
  std::string record_text(int64_t row) const {
    return file_.read(records_[row].offset, records_[row].length);
  }
  void add(std::string_view file_name, uint64_t offset, uint64_t length, bool has_caption,
           int64_t line) {
    if (length > UINT32_MAX)
      throw Error(ExitStatus::kBadData, quoted(source(line)) + " is longer than 4 GiB");
    file_names_.add(file_name);
    records_.push_back({offset, static_cast<uint32_t>(length), has_caption});
  }

  RandomAccessFile file_;
  StringList file_names_;
  std::vector<Record> records_;
  std::vector<std::string> columns_;
};

class JsonlMetadata : public TextMetadata {
 public:
  JsonlMetadata(const fs::path& path, const MetadataColumns& columns)
      : TextMetadata(path), caption_column_(columns.caption) {
    const MappedFile mapped(path);
    const std::string_view text(reinterpret_cast<const char*>(mapped.data()), mapped.size());
    std::set<std::string> seen;
    uint64_t begin = text.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0;
    for (int64_t line = 1; begin < text.size(); ++line) {
      const uint64_t end = std::min<uint64_t>(text.find('\n', begin), text.size());
      const std::string_view row = text.substr(begin, end - begin);
      if (!trimmed(row).empty()) add_row(row, begin, line, columns, &seen);
      begin = end + 1;
    }
    columns_.assign(seen.begin(), seen.end());
  }

  std::vector<std::string> captions(int64_t row) const override {
    const std::string where = file_.path().string();
    const Json object = parse_json(record_text(row), where);
    const auto found = object.find(caption_column_);
    if (found == object.end())
      throw Error(ExitStatus::kBadData, quoted(where) + " changed while it was in use");
    return captions_from_json(*found, caption_column_, where);
  }

 private:
  void add_row(std::string_view row, uint64_t begin, int64_t line, const MetadataColumns& columns,
               std::set<std::string>* seen) {
    const Json object = parse_json(row, source(line));
    if (!object.is_object())
      throw Error(ExitStatus::kBadData, quoted(source(line)) + " is not a JSON object");
    const Json* file_name = nullptr;
    const Json* caption = nullptr;
    for (const auto& [key, value] : object.items()) {
      if (key == "file_name" || (!file_name && key == columns.image + "_file_name"))
        file_name = &value;
      if (key == columns.caption) caption = &value;
      if (seen->size() < 64 && !seen->count(key)) seen->insert(key);
    }
    if (!file_name || !file_name->is_string())
      throw Error(ExitStatus::kBadData,
                  quoted(source(line)) + " has no text 'file_name' that names the picture");
    const bool has_caption =
        caption && !captions_from_json(*caption, columns.caption, source(line)).empty();
    add(file_name->get_ref<const std::string&>(), begin, row.size(), has_caption, line);
  }

  std::string caption_column_;
};

class CsvMetadata : public TextMetadata {
 public:
  CsvMetadata(const fs::path& path, const MetadataColumns& columns) : TextMetadata(path) {
    const MappedFile mapped(path);
    const std::string_view text(reinterpret_cast<const char*>(mapped.data()), mapped.size());
    if (!is_utf8(text))
      throw Error(ExitStatus::kBadData,
                  quoted(path.string()) + " is not UTF-8; convert it (iconv -t UTF-8)");
    CsvReader reader(text, path.string());
    std::vector<std::string> fields;
    if (!reader.next(&columns_))
      throw Error(ExitStatus::kBadData, quoted(path.string()) + " is empty: no header line");
    std::optional<size_t> file_name = column(columns_, "file_name");
    if (!file_name) file_name = column(columns_, columns.image + "_file_name");
    if (!file_name)
      throw Error(ExitStatus::kBadData,
                  str(quoted(path.string()),
                      " has no column 'file_name'; its columns: ", escaped(join(columns_, ", "))));
    caption_ = column(columns_, columns.caption);
    while (reader.next(&fields)) {
      if (fields.size() != columns_.size())
        throw Error(ExitStatus::kBadData, str(quoted(source(reader.line())), " has ", fields.size(),
                                              " fields where the header has ", columns_.size(),
                                              "; put quotes around fields with commas"));
      add(fields[*file_name], reader.begin(), reader.end() - reader.begin(), caption_.has_value(),
          reader.line());
    }
  }

  std::vector<std::string> captions(int64_t row) const override {
    const std::string text = record_text(row);
    CsvReader reader(text, file_.path().string());
    std::vector<std::string> fields;
    if (!reader.next(&fields) || fields.size() <= *caption_)
      throw Error(ExitStatus::kBadData,
                  quoted(file_.path().string()) + " changed while it was in use");
    return {fields[*caption_]};
  }

 private:
  static std::optional<size_t> column(const std::vector<std::string>& names,
                                      const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return std::nullopt;
    return static_cast<size_t>(found - names.begin());
  }

  std::optional<size_t> caption_;
};

}  // namespace

bool is_metadata_file(const fs::path& path) {
  const std::string name = path.filename().string();
  return name == "metadata.jsonl" || name == "metadata.csv" || name == "metadata.parquet";
}

std::unique_ptr<MetadataFile> open_jsonl_metadata(const fs::path& path,
                                                  const MetadataColumns& columns) {
  return std::make_unique<JsonlMetadata>(path, columns);
}

std::unique_ptr<MetadataFile> open_csv_metadata(const fs::path& path,
                                                const MetadataColumns& columns) {
  return std::make_unique<CsvMetadata>(path, columns);
}

std::unique_ptr<MetadataFile> open_metadata_file(const fs::path& path,
                                                 const MetadataColumns& columns) {
  if (path.extension() == ".csv") return open_csv_metadata(path, columns);
  if (path.extension() == ".parquet") return open_parquet_metadata(path, columns);
  return open_jsonl_metadata(path, columns);
}

}  // namespace sdxl
