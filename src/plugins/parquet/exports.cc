// Implements include/sdxl/parquet.h by ParquetFile.
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "plugins/parquet/parquet_file.h"
#include "sdxl/parquet.h"

struct sdxl_parquet_file {
  sdxl::parquet_plugin::ParquetFile file;
};

namespace {

using sdxl::parquet_plugin::Sink;

Sink as_sink(sdxl_parquet_sink sink, void* context) {
  return [sink, context](int kind, std::string_view data) {
    sink(context, kind, data.data(), data.size());
  };
}

/// Returns 0, or 1 after passing the exception's message to the sink.
template <typename Action>
int guarded(sdxl_parquet_sink sink, void* context, const Action& action) {
  std::string message = "unknown failure";
  try {
    action();
    return 0;
  } catch (const std::exception& error) {
    message = error.what();
  } catch (...) {
  }
  sink(context, SDXL_PARQUET_OTHER, message.data(), message.size());
  return 1;
}

int open(const char* path, sdxl_parquet_file** file, sdxl_parquet_sink sink, void* context) {
  return guarded(sink, context,
                 [&] { *file = new sdxl_parquet_file{sdxl::parquet_plugin::ParquetFile(path)}; });
}

void close(sdxl_parquet_file* file) { delete file; }

int64_t rows(const sdxl_parquet_file* file) { return file->file.rows(); }

void columns(const sdxl_parquet_file* file, sdxl_parquet_sink sink, void* context) {
  file->file.columns(as_sink(sink, context));
}

int read(sdxl_parquet_file* file, const char* column, int64_t row, sdxl_parquet_sink sink,
         void* context) {
  return guarded(sink, context, [&] { file->file.read(column, row, as_sink(sink, context)); });
}

constexpr sdxl_parquet_library kLibrary = {open, close, rows, columns, read};

}  // namespace

extern "C" __attribute__((visibility("default"))) const sdxl_parquet_library* sdxl_parquet(
    int abi) {
  return abi == SDXL_PARQUET_ABI ? &kLibrary : nullptr;
}
