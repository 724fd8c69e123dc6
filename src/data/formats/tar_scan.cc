#include "data/formats/tar_scan.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

struct Close {
  void operator()(archive* opened) const { archive_read_free(opened); }
};

[[noreturn]] void refuse(const std::filesystem::path& path, archive* opened) {
  const char* reason = archive_error_string(opened);
  throw Error(ExitStatus::kBadData,
              str("cannot read ", quoted(path.string()), " as an uncompressed tar: ",
                  escaped(reason ? reason : "unknown failure"), "; unpack it if it is compressed"));
}

}  // namespace

void scan_tar(const std::filesystem::path& path,
              const std::function<void(const TarMember&)>& take) {
  const std::unique_ptr<archive, Close> opened(archive_read_new());
  archive_read_support_format_tar(opened.get());
  constexpr size_t kBlock = 10240;
  if (archive_read_open_filename(opened.get(), path.c_str(), kBlock) != ARCHIVE_OK) {
    refuse(path, opened.get());
  }
  archive_entry* entry = nullptr;
  while (true) {
    const int status = archive_read_next_header(opened.get(), &entry);
    if (status == ARCHIVE_EOF) return;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) refuse(path, opened.get());
    const char* name = archive_entry_pathname(entry);
    if (name && archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry) &&
        archive_entry_sparse_count(entry) == 0) {
      // libarchive has read up to the end of the header, where the content begins.
      take({name, static_cast<uint64_t>(archive_filter_bytes(opened.get(), 0)),
            static_cast<uint64_t>(archive_entry_size(entry))});
    }
    if (archive_read_data_skip(opened.get()) < ARCHIVE_WARN) refuse(path, opened.get());
  }
}

}  // namespace sdxl
