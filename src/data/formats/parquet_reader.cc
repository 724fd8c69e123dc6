#include "data/formats/parquet_reader.h"

#include <algorithm>

#include "base/dynamic_library.h"
#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

fs::path library_path() {
  const fs::path beside = binary_directory();
  for (const fs::path& folder : {beside, beside / "../lib", beside / ".."}) {
    if (fs::exists(folder / "libsdxl_parquet.so")) return folder / "libsdxl_parquet.so";
  }
  throw Error(
      ExitStatus::kUnavailable,
      str("reading Parquet needs libsdxl_parquet.so, which is missing beside the binary in ",
          quoted(beside.string()),
          "; build it with tools/setup.sh, or give the pictures "
          "as files"));
}

const sdxl_parquet_library& library() {
  static const sdxl_parquet_library& functions = []() -> const sdxl_parquet_library& {
    const fs::path path = library_path();
    static const DynamicLibrary opened(path);
    const auto entry = reinterpret_cast<sdxl_parquet_entry>(opened.symbol("sdxl_parquet"));
    const sdxl_parquet_library* found = entry ? entry(SDXL_PARQUET_ABI) : nullptr;
    if (!found) {
      throw Error(ExitStatus::kUnavailable,
                  quoted(path.string()) + " has another version; rebuild it with tools/setup.sh");
    }
    return *found;
  }();
  return functions;
}

void take_text(void* context, int, const void* data, uint64_t size) {
  static_cast<std::string*>(context)->assign(static_cast<const char*>(data), size);
}

}  // namespace

ParquetReader::ParquetReader(const fs::path& path) : path_(path) {
  std::string message;
  if (library().open(path.c_str(), &file_, take_text, &message) != 0) {
    throw Error(ExitStatus::kBadData,
                str(quoted(path.string()), " cannot be read as Parquet: ", escaped(message)));
  }
  rows_ = library().rows(file_);
  const auto add = [](void* context, int kind, const void* data, uint64_t size) {
    static_cast<std::vector<Column>*>(context)->push_back(
        {std::string(static_cast<const char*>(data), size), static_cast<sdxl_parquet_kind>(kind)});
  };
  library().columns(file_, add, &columns_);
}

ParquetReader::~ParquetReader() { library().close(file_); }

const ParquetReader::Column* ParquetReader::column(const std::string& name) const {
  const auto found = std::find_if(columns_.begin(), columns_.end(),
                                  [&](const Column& column) { return column.name == name; });
  return found == columns_.end() ? nullptr : &*found;
}

std::string ParquetReader::column_names() const {
  std::vector<std::string> names;
  for (const Column& column : columns_) names.push_back(column.name);
  return escaped(join(names, ", "));
}

ParquetReader::Value ParquetReader::read(const std::string& column, int64_t row) const {
  struct Taken {
    Value value;
    std::string message;
  } taken;
  const auto take = [](void* context, int kind, const void* data, uint64_t size) {
    auto& [value, message] = *static_cast<Taken*>(context);
    std::string piece(static_cast<const char*>(data), size);
    if (kind == SDXL_PARQUET_BYTES) {
      value.bytes = std::move(piece);
    } else if (kind == SDXL_PARQUET_PATH) {
      value.path = std::move(piece);
    } else if (kind == SDXL_PARQUET_TEXT) {
      value.texts.push_back(std::move(piece));
    } else {
      message = std::move(piece);
    }
  };
  if (library().read(file_, column.c_str(), row, take, &taken) != 0) {
    throw Error(ExitStatus::kBadData, str(quoted(path_.string()), " row ", row,
                                          " cannot be read: ", escaped(taken.message)));
  }
  return std::move(taken.value);
}

}  // namespace sdxl
