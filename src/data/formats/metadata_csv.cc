// metadata.csv: a header line and one record per picture.
#include <algorithm>
#include <memory>
#include <optional>

#include "base/files.h"
#include "base/utf8.h"
#include "data/formats/csv.h"
#include "data/formats/text_metadata.h"

namespace sdxl {
namespace {

class CsvMetadata : public TextMetadata {
 public:
  CsvMetadata(const fs::path& path, const MetadataColumns& columns) : TextMetadata(path) {
    const MappedFile mapped(path);
    const std::string_view text(reinterpret_cast<const char*>(mapped.data()), mapped.size());
    if (!is_utf8(text)) {
      throw Error(ExitStatus::kBadData,
                  quoted(path.string()) + " is not UTF-8; convert it (iconv -t UTF-8)");
    }
    CsvReader reader(text, path.string());
    std::vector<std::string> fields;
    if (!reader.next(&columns_)) {
      throw Error(ExitStatus::kBadData, quoted(path.string()) + " is empty: no header line");
    }
    std::optional<size_t> file_name = column(columns_, "file_name");
    if (!file_name) file_name = column(columns_, columns.image + "_file_name");
    if (!file_name) {
      throw Error(ExitStatus::kBadData,
                  str(quoted(path.string()),
                      " has no column 'file_name'; its columns: ", escaped(join(columns_, ", "))));
    }
    caption_ = column(columns_, columns.caption);
    while (reader.next(&fields)) {
      if (fields.size() != columns_.size()) {
        throw Error(ExitStatus::kBadData, str(quoted(source(reader.line())), " has ", fields.size(),
                                              " fields where the header has ", columns_.size(),
                                              "; put quotes around fields with commas"));
      }
      add(fields[*file_name], reader.begin(), reader.end() - reader.begin(), caption_.has_value(),
          reader.line());
    }
  }

  std::vector<std::string> captions(int64_t row) const override {
    const std::string text = record_text(row);
    CsvReader reader(text, file_.path().string());
    std::vector<std::string> fields;
    if (!reader.next(&fields) || fields.size() <= *caption_) {
      throw Error(ExitStatus::kBadData,
                  quoted(file_.path().string()) + " changed while it was in use");
    }
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

std::unique_ptr<MetadataFile> open_csv_metadata(const fs::path& path,
                                                const MetadataColumns& columns) {
  return std::make_unique<CsvMetadata>(path, columns);
}

}  // namespace sdxl
