#include "hub/resolve.h"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/text.h"
#include "hub/cache.h"
#include "hub/download.h"

namespace sdxl {
namespace {

using Files = std::vector<RepositoryFile>;

Files chosen(const Files& files, const FileChoice& choice) {
  std::map<std::string, const RepositoryFile*> by_path;
  for (const RepositoryFile& file : files) by_path.emplace(file.path, &file);
  Files result;
  for (const std::string& path : choice(files)) result.push_back(*by_path.at(path));
  return result;
}

Files missing_of(const RepositoryCache& cache, const std::string& commit, const Files& wanted) {
  Files missing;
  for (const RepositoryFile& file : wanted) {
    if (!cache.has_file(commit, file)) missing.push_back(file);
  }
  return missing;
}

/// Downloads blobs over several connections. The first failure ends all of them.
class Downloads {
 public:
  Downloads(const HubApi& api, const RepositoryCache& cache, const std::string& commit,
            const HubOptions& options, const Files& files)
      : api_(api), cache_(cache), commit_(commit), options_(options), files_(files) {}

  void run() {
    uint64_t total = 0;
    for (const RepositoryFile& file : files_) total += file.size;
    cache_.prepare();
    remove_old_incomplete_files(cache_);
    require_free_space(cache_.folder(), total - bytes_on_disk());
    progress_ = std::make_unique<Progress>(str("Downloading ", api_.name()), total, "B");
    const size_t count = std::min(files_.size(), static_cast<size_t>(options_.connections));
    {
      std::vector<std::jthread> threads;
      for (size_t i = 1; i < count; ++i) threads.emplace_back([this] { work(); });
      work();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  /// Bytes that earlier attempts left, judged by file names.
  uint64_t bytes_on_disk() const {
    uint64_t bytes = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(cache_.folder() / "blobs", error)) {
      const std::string name = entry.path().filename().string();
      for (const RepositoryFile& file : files_) {
        if (!name.starts_with(file.etag())) continue;
        bytes += std::min<uint64_t>(fs::file_size(entry.path(), error), file.size);
        break;
      }
    }
    uint64_t total = 0;
    for (const RepositoryFile& file : files_) total += file.size;
    return std::min(bytes, total);
  }

  void work() {
    try {
      HttpClient client(options_);
      for (size_t i = next_++; i < files_.size() && !cancelled_; i = next_++) {
        fetch(client, files_[i]);
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      cancelled_ = true;
    }
  }

  void fetch(HttpClient& client, const RepositoryFile& file) {
    const DownloadJob job{file, api_.download_url(commit_, file.path),
                          str(quoted(file.path), " of ", api_.name())};
    const auto progressed = [this](int64_t bytes) {
      const std::lock_guard<std::mutex> lock(mutex_);
      position_ += bytes;
      progress_->set(static_cast<uint64_t>(std::max<int64_t>(position_, 0)));
    };
    if (cache_.has_blob(file)) {
      progressed(static_cast<int64_t>(file.size));
    } else {
      download_blob(client, job, cache_, options_, progressed, &cancelled_);
    }
    cache_.link_blob(commit_, file);
  }

  const HubApi& api_;
  const RepositoryCache& cache_;
  const std::string& commit_;
  const HubOptions& options_;
  const Files& files_;
  std::unique_ptr<Progress> progress_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  int64_t position_ = 0;
  std::exception_ptr failure_;
};

/// The cached snapshot, without any request. Error(kUnavailable), explained by `reason`, if it is
/// incomplete.
fs::path from_cache(const HubApi& api, const RepositoryCache& cache, const FileChoice& choice,
                    const HubOptions& options, const std::string& reason) {
  const auto commit = cache.commit_of(options.revision);
  if (!commit || !fs::is_directory(cache.snapshot(*commit))) {
    throw Error(ExitStatus::kUnavailable, api.name(), " at ", quoted(options.revision),
                " is not in the cache ", quoted(options.cache.string()), ", and ", reason);
  }
  if (const auto tree = cache.read_tree(*commit)) {
    const Files missing = missing_of(cache, *commit, chosen(*tree, choice));
    if (!missing.empty()) {
      const std::string others =
          missing.size() > 1 ? str(" and ", missing.size() - 1, " more files are") : " is";
      throw Error(ExitStatus::kUnavailable, quoted(missing[0].path), " of ", api.name(), others,
                  " not in the cache ", quoted(options.cache.string()), ", and ", reason);
    }
  }
  return cache.snapshot(*commit);
}

fs::path from_hub(HubApi& api, const RepositoryCache& cache, const FileChoice& choice,
                  const HubOptions& options) {
  const std::string commit = api.commit();
  auto files = cache.read_tree(commit);
  if (!files) {
    files = api.files(commit);
    cache.prepare();
    cache.write_tree(commit, *files);
  }
  cache.remember_commit(options.revision, commit);
  const Files missing = missing_of(cache, commit, chosen(*files, choice));
  if (!missing.empty()) {
    Downloads(api, cache, commit, options, missing).run();
  } else {
    make_directories(cache.snapshot(commit));
  }
  return cache.snapshot(commit);
}

}  // namespace

fs::path resolve_repository(const std::string& name_or_path, RepositoryKind kind,
                            const FileChoice& choice, const HubOptions& options) {
  std::error_code ignored;
  if (fs::exists(name_or_path, ignored)) return name_or_path;
  if (!is_repository_id(name_or_path)) {
    throw Error(ExitStatus::kUsage, quoted(name_or_path),
                " is neither a file or directory nor a valid name of a repository of the Hub");
  }
  return fetch_repository(name_or_path, kind, choice, options);
}

fs::path fetch_repository(const std::string& id, RepositoryKind kind, const FileChoice& choice,
                          const HubOptions& options) {
  HubApi api(kind, id, options);
  const RepositoryCache cache(kind, id, options);
  if (options.offline) {
    return from_cache(api, cache, choice, options,
                      "downloads are off (--offline or HF_HUB_OFFLINE)");
  }
  try {
    return from_hub(api, cache, choice, options);
  } catch (const HttpFailure& failure) {
    const auto commit = failure.unreachable ? cache.commit_of(options.revision) : std::nullopt;
    if (!commit || !fs::is_directory(cache.snapshot(*commit))) {
      throw Error(ExitStatus::kUnavailable, failure.what());
    }
    log::warning(str(failure.what(), "; using the cache"));
    return from_cache(api, cache, choice, options, failure.what());
  }
}

}  // namespace sdxl
