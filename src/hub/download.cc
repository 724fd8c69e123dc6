#include "hub/download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <random>

#include "base/error.h"
#include "base/files/descriptor.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr std::string_view kMark = ".sdxl-", kEnding = ".incomplete";
constexpr auto kMaxAge = std::chrono::hours(24);

/// The incomplete file of a blob, locked for this process, and the running hash of its content.
class PartialFile {
 public:
  PartialFile(const RepositoryCache& cache, const RepositoryFile& file) : file_(file) {
    if (!adopt(cache)) create(cache);
  }
  ~PartialFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  uint64_t size() const { return size_; }

  void append(std::string_view bytes) {
    write_all(descriptor_, bytes, path_, file_.size - std::min(size_, file_.size));
    hasher_->update(bytes);
    size_ += bytes.size();
  }

  void clear() {
    if (::ftruncate(descriptor_, 0) != 0 || ::lseek(descriptor_, 0, SEEK_SET) != 0) {
      throw_file_error("write", path_, errno);
    }
    start_hash();
  }

  /// Ends the hash. Call clear() if it returns false.
  bool has_right_hash() { return size_ == file_.size && hasher_->hex() == file_.etag(); }

  void publish(const fs::path& blob) {
    sync_descriptor(descriptor_, path_);
    if (::rename(path_.c_str(), blob.c_str()) != 0) throw_file_error("create", blob, errno);
    sync_path(blob.parent_path());
  }

 private:
  void start_hash() {
    size_ = 0;
    if (file_.lfs_sha256.empty()) {
      hasher_ = std::make_unique<Hasher>(HashKind::kSha1);
      hasher_->update(str("blob ", file_.size)).update("\0", 1);
    } else {
      hasher_ = std::make_unique<Hasher>(HashKind::kSha256);
    }
  }

  /// Takes over the file of a dead process: its lock is free and nobody has renamed it.
  bool adopt(const RepositoryCache& cache) {
    const fs::path blobs = cache.blob("x").parent_path();
    for (const auto& entry : fs::directory_iterator(blobs)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(file_.etag() + std::string(kMark)) || !name.ends_with(kEnding)) {
        continue;
      }
      const int descriptor = ::open(entry.path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
      if (descriptor < 0) continue;
      struct stat opened, named;
      const bool ours = ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 &&
                        ::fstat(descriptor, &opened) == 0 &&
                        ::lstat(entry.path().c_str(), &named) == 0 &&
                        opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
      if (!ours) {
        ::close(descriptor);
        continue;
      }
      descriptor_ = descriptor;
      path_ = entry.path();
      hash_content();
      return true;
    }
    return false;
  }

  void hash_content() {
    start_hash();
    std::array<char, size_t{1} << 16> buffer;
    for (;;) {
      const ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw_file_error("read", path_, errno);
      if (count == 0) break;
      hasher_->update(buffer.data(), static_cast<size_t>(count));
      size_ += static_cast<uint64_t>(count);
    }
    if (size_ > file_.size) clear();
  }

  void create(const RepositoryCache& cache) {
    std::random_device random;
    for (;;) {
      char digits[9];
      std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(random()));
      path_ = cache.blob(str(file_.etag(), kMark, digits, kEnding));
      descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ >= 0) break;
      if (errno != EEXIST) throw_file_error("create", path_, errno);
    }
    ::flock(descriptor_,
            LOCK_EX | LOCK_NB);  // If that fails, others may adopt the file too; the hash decides.
    start_hash();
  }

  const RepositoryFile& file_;
  fs::path path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
  std::unique_ptr<Hasher> hasher_;
};

/// Whether a Content-Range ("bytes FROM-LAST/TOTAL") is the rest of the file from byte `from`.
bool is_rest(const std::string& content_range, uint64_t from, uint64_t total) {
  return content_range == str("bytes ", from, "-", total - 1, "/", total) ||
         content_range == str("bytes ", from, "-", total - 1, "/*");
}

class BlobDownload {
 public:
  BlobDownload(HttpClient& client, const DownloadJob& job, PartialFile& partial,
               const HubOptions& options, const std::function<void(int64_t)>& progressed,
               const std::atomic<bool>* cancelled)
      : client_(client),
        job_(job),
        partial_(partial),
        options_(options),
        progressed_(progressed),
        cancelled_(cancelled) {}

  /// Downloads until the file is complete. An attempt that brings bytes resets the count of
  /// failures.
  void run() {
    progressed_(static_cast<int64_t>(partial_.size()));
    int failures = 0, wrong_contents = 0;
    for (;;) {
      const uint64_t before = partial_.size();
      try {
        if (before < job_.file.size || job_.file.size == 0) transfer();
        if (partial_.has_right_hash()) return;
        discard();
        if (++wrong_contents >= options_.tries) {
          throw Error(ExitStatus::kBadData, job_.name,
                      ": the server sends other bytes than the repository's hash ",
                      job_.file.etag(), " names; nothing was kept: try again later");
        }
        log::warning(str(job_.name, ": the received bytes have another hash; trying again"));
        wait_before_retry(options_, wrong_contents, 0);
      } catch (const HttpFailure& failure) {
        if (partial_.size() > before) failures = 0;
        if (!failure.retry || ++failures >= options_.tries) throw;
        log::warning(str(failure.what(), "; trying again"));
        wait_before_retry(options_, failures, failure.wait);
      }
    }
  }

 private:
  void discard() {
    progressed_(-static_cast<int64_t>(partial_.size()));
    partial_.clear();
  }

  /// Requests the missing bytes.
  void transfer() {
    const uint64_t from = partial_.size();
    HttpRequest request{job_.url, from, options_.download_timeout};
    request.begin = [&](const HttpResponse& response) { return begin(response, from); };
    request.sink = [&](std::string_view bytes) { take(bytes); };
    const HttpResponse response = client_.get(request, cancelled_);
    if (response.status == 416) {
      discard();
      throw HttpFailure(str(job_.name, ": the server refuses to resume at byte ", from), true,
                        false);
    }
    if (response.status < 200 || response.status >= 300) {
      throw_for_status(response, job_.name, options_);
    }
    if (partial_.size() < job_.file.size) {
      throw HttpFailure(str(job_.name, ": the connection ended after ", partial_.size(), " of ",
                            job_.file.size, " bytes"),
                        true, false);
    }
  }

  /// Checks from the headers that the body is the missing bytes, or the whole file again.
  bool begin(const HttpResponse& response, uint64_t from) {
    const std::string encoding = response.header("content-encoding");
    if (!encoding.empty() && encoding != "identity") {
      throw HttpFailure(
          str(job_.name, ": the server sends an unrequested encoding (", escaped(encoding), ")"),
          true, false);
    }
    if (response.status == 206) {
      if (is_rest(response.header("content-range"), from, job_.file.size)) return true;
      discard();
      throw HttpFailure(str(job_.name, ": the server sends another range than requested"), true,
                        false);
    }
    if (from > 0) discard();
    const std::string length = response.header("content-length");
    if (!length.empty() && length != std::to_string(job_.file.size)) {
      throw HttpFailure(str(job_.name, ": the server offers ", escaped(length),
                            " bytes instead of ", job_.file.size),
                        true, false);
    }
    return true;
  }

  void take(std::string_view bytes) {
    if (partial_.size() + bytes.size() > job_.file.size) {
      discard();
      throw HttpFailure(str(job_.name, ": the server sends more than ", job_.file.size, " bytes"),
                        true, false);
    }
    partial_.append(bytes);
    progressed_(static_cast<int64_t>(bytes.size()));
  }

  HttpClient& client_;
  const DownloadJob& job_;
  PartialFile& partial_;
  const HubOptions& options_;
  const std::function<void(int64_t)>& progressed_;
  const std::atomic<bool>* cancelled_;
};

}  // namespace

void download_blob(HttpClient& client, const DownloadJob& job, const RepositoryCache& cache,
                   const HubOptions& options, const std::function<void(int64_t)>& progressed,
                   const std::atomic<bool>* cancelled) {
  const auto lock = cache.lock(job.file.etag());
  if (cache.has_blob(job.file)) {  // Another process has downloaded it.
    progressed(static_cast<int64_t>(job.file.size));
    return;
  }
  PartialFile partial(cache, job.file);
  BlobDownload(client, job, partial, options, progressed, cancelled).run();
  partial.publish(cache.blob(job.file.etag()));
}

void remove_old_incomplete_files(const RepositoryCache& cache) {
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (const auto& entry : fs::directory_iterator(cache.blob("x").parent_path(), error)) {
    const std::string name = entry.path().filename().string();
    if (name.find(kMark) == std::string::npos || !name.ends_with(kEnding)) continue;
    const auto written = fs::last_write_time(entry.path(), error);
    if (!error && now - written > kMaxAge) fs::remove(entry.path(), error);
  }
}

}  // namespace sdxl
