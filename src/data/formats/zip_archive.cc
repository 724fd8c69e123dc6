#include "data/formats/zip_archive.h"

#include <zip.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "data/formats/random_access_file.h"

namespace sdxl {
namespace {

struct DiscardZip {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Handle = std::unique_ptr<zip_t, DiscardZip>;

Handle open_zip(const std::filesystem::path& path) {
  int code = 0;
  Handle handle(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (handle) return handle;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  throw bad_data(path.string(), "cannot be read as a zip file: ", escaped(reason));
}

zip_stat_t state_of(zip_t* archive, uint64_t index) {
  zip_stat_t state;
  zip_stat_init(&state);
  zip_stat_index(archive, index, 0, &state);
  return state;
}

}  // namespace

/// libzip's archives serve one thread at a time, so every thread borrows one of its own.
struct ZipArchive::Handles {
  std::mutex mutex;
  std::vector<Handle> idle;
};

class ZipArchive::Borrowed {
 public:
  explicit Borrowed(const ZipArchive& archive) : handles_(*archive.handles_) {
    const std::lock_guard lock(handles_.mutex);
    if (handles_.idle.empty()) {
      handle_ = open_zip(archive.path_);
    } else {
      handle_ = std::move(handles_.idle.back());
      handles_.idle.pop_back();
    }
  }
  ~Borrowed() {
    const std::lock_guard lock(handles_.mutex);
    handles_.idle.push_back(std::move(handle_));
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  zip_t* get() const { return handle_.get(); }

 private:
  Handles& handles_;
  Handle handle_;
};

ZipArchive::ZipArchive(std::filesystem::path path)
    : path_(std::move(path)), handles_(std::make_unique<Handles>()) {
  handles_->idle.push_back(open_zip(path_));
  stamp_ = RandomAccessFile(path_).stamp();
}

ZipArchive::~ZipArchive() = default;

void ZipArchive::for_members(const std::function<void(const Member&)>& take) const {
  const Borrowed archive(*this);
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_GUESS);
    if (!name || *name == '\0' || std::string_view(name).ends_with('/')) continue;
    take({name, static_cast<uint64_t>(i)});
  }
}

uint64_t ZipArchive::size(uint64_t index) const {
  return state_of(Borrowed(*this).get(), index).size;
}

std::string ZipArchive::read(uint64_t index, uint64_t limit) const {
  const Borrowed archive(*this);
  const auto fail = [&](const char* reason) {
    const char* name = zip_get_name(archive.get(), index, ZIP_FL_ENC_GUESS);
    return bad_data(str(path_.string(), "/", name ? name : "?"),
                    "cannot be read from the zip file: ", escaped(reason));
  };
  const zip_stat_t state = state_of(archive.get(), index);
  if (state.encryption_method != ZIP_EM_NONE) throw fail("it is encrypted");
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
      zip_fopen_index(archive.get(), index, 0), zip_fclose);
  if (!file) throw fail(zip_strerror(archive.get()));
  std::string bytes(std::min<uint64_t>(limit, state.size), '\0');
  for (uint64_t done = 0; done < bytes.size();) {
    const zip_int64_t count = zip_fread(file.get(), bytes.data() + done, bytes.size() - done);
    if (count <= 0) throw fail(count < 0 ? zip_file_strerror(file.get()) : "it is cut short");
    done += static_cast<uint64_t>(count);
  }
  // libzip checks the CRC-32 when it comes to the end.
  char end = 0;
  if (bytes.size() == state.size && zip_fread(file.get(), &end, 1) < 0) {
    throw fail(zip_file_strerror(file.get()));
  }
  return bytes;
}

std::string ZipArchive::stamp(uint64_t index) const {
  const zip_stat_t state = state_of(Borrowed(*this).get(), index);
  const uint64_t parts[] = {index, state.crc, state.size};
  return stamp_ + std::string(reinterpret_cast<const char*>(parts), sizeof parts);
}

}  // namespace sdxl
