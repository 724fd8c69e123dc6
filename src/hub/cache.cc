#include "hub/cache.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr int kTreeFormat = 1;

std::string folder_name(RepositoryKind kind, const std::string& id) {
  std::string name = kind == RepositoryKind::kModel ? "models--" : "datasets--";
  for (char c : id) name += c == '/' ? std::string("--") : std::string(1, c);
  return name;
}

RepositoryFile file_of_tree(const std::string& path, const Json& entry, const std::string& source) {
  RepositoryFile file;
  file.path = path;
  file.size = static_cast<uint64_t>(json_value<int64_t>(entry, "size", 0, source));
  file.blob_id = json_value<std::string>(entry, "blob_id", "", source);
  file.lfs_sha256 = json_value<std::string>(entry, "lfs_sha256", "", source);
  file.lfs_size = static_cast<uint64_t>(json_value<int64_t>(entry, "lfs_size", 0, source));
  file.xet_hash = json_value<std::string>(entry, "xet_hash", "", source);
  if (!file.lfs_sha256.empty()) file.size = file.lfs_size;
  const bool named = is_safe_relative_path(path) && is_safe_relative_path(file.etag()) &&
                     file.etag().find('/') == std::string::npos;
  if (!named) throw bad_data(source, "lists an invalid path or hash");
  return file;
}

bool has_size(const fs::path& path, uint64_t size) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) == size && !error;
}

}  // namespace

RepositoryCache::RepositoryCache(RepositoryKind kind, const std::string& id,
                                 const HubOptions& options)
    : root_(fs::absolute(options.cache)),
      folder_(root_ / folder_name(kind, id)),
      locks_(root_ / ".locks" / folder_name(kind, id)),
      symlinks_(options.symlinks) {}

std::optional<std::string> RepositoryCache::commit_of(const std::string& revision) const {
  if (is_commit_hash(revision)) return revision;
  const fs::path path = folder_ / "refs" / revision;
  if (!is_safe_relative_path(revision) || !fs::is_regular_file(path)) return std::nullopt;
  std::string commit = read_file(path, 4096);
  if (!is_commit_hash(commit)) return std::nullopt;
  return commit;
}

void RepositoryCache::remember_commit(const std::string& revision,
                                      const std::string& commit) const {
  if (is_commit_hash(revision) || !is_safe_relative_path(revision)) return;
  if (commit_of(revision) == commit) return;
  try {
    const fs::path path = folder_ / "refs" / revision;
    make_directories(path.parent_path());
    write_file_atomically(path, commit);
  } catch (const Error& error) {
    log::warning(str("cannot store in the cache that ", quoted(revision), " is ", commit, ": ",
                     error.what()));
  }
}

std::optional<std::vector<RepositoryFile>> RepositoryCache::read_tree(
    const std::string& commit) const {
  const fs::path path = folder_ / "trees" / (commit + ".json");
  if (!fs::is_regular_file(path)) return std::nullopt;
  try {
    // Not read_json(), whose objects look keys up linearly: a repository may have very many files.
    const auto tree = nlohmann::json::parse(read_file(path));
    if (tree.at("format_version") != kTreeFormat) return std::nullopt;
    std::vector<RepositoryFile> files;
    for (const auto& [name, entry] : tree.at("files").items()) {
      files.push_back(file_of_tree(name, Json(entry), path.string()));
    }
    return files;
  } catch (const std::exception& error) {
    log::warning(str("ignoring ", path.string(), ": ", error.what()));
    return std::nullopt;
  }
}

void RepositoryCache::write_tree(const std::string& commit,
                                 const std::vector<RepositoryFile>& files) const {
  nlohmann::json entries = nlohmann::json::object();
  for (const RepositoryFile& file : files) {
    nlohmann::json& entry = entries[file.path] = {{"size", file.size}, {"blob_id", file.blob_id}};
    if (!file.lfs_sha256.empty()) {
      entry["lfs_sha256"] = file.lfs_sha256;
      entry["lfs_size"] = file.lfs_size;
    }
    if (!file.xet_hash.empty()) entry["xet_hash"] = file.xet_hash;
  }
  const nlohmann::json tree = {{"format_version", kTreeFormat}, {"files", std::move(entries)}};
  const fs::path path = folder_ / "trees" / (commit + ".json");
  make_directories(path.parent_path());
  write_file_atomically(path, tree.dump(1));
}

bool RepositoryCache::has_file(const std::string& commit, const RepositoryFile& file) const {
  return has_size(snapshot(commit) / file.path, file.size);
}

bool RepositoryCache::has_blob(const RepositoryFile& file) const {
  return has_size(blob(file.etag()), file.size);
}

void RepositoryCache::link_blob(const std::string& commit, const RepositoryFile& file) const {
  const fs::path pointer = snapshot(commit) / file.path;
  make_directories(pointer.parent_path());
  const fs::path target = folder_.lexically_relative(pointer.parent_path()) / "blobs" / file.etag();
  static std::atomic<uint64_t> counter = 0;
  const fs::path temporary = pointer.parent_path() / str(".tmp-link-", ::getpid(), "-", counter++);
  std::error_code error;
  fs::remove(temporary, error);
  if (symlinks_) {
    fs::create_symlink(target, temporary, error);
  } else {
    error = std::make_error_code(std::errc::operation_not_supported);
  }
  if (error) {
    fs::create_hard_link(blob(file.etag()), temporary, error);
    if (error) fs::copy_file(blob(file.etag()), temporary, error);
  }
  if (!error) fs::rename(temporary, pointer, error);
  if (error) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw Error(ExitStatus::kFileError, "cannot create ", quoted(pointer.string()), ": ",
                error.message());
  }
}

std::unique_ptr<FileLock> RepositoryCache::lock(const std::string& etag) const {
  make_directories(locks_);
  return FileLock::acquire(locks_ / (etag + ".lock"));
}

void RepositoryCache::prepare() const {
  make_directories(folder_ / "blobs");
  const fs::path tag = root_ / "CACHEDIR.TAG";
  if (fs::exists(tag)) return;
  write_file_atomically(tag,
                        "Signature: 8a477f597d28d172789f06886806bc55\n"
                        "# This file is a cache directory tag created by huggingface_hub.\n"
                        "# For information about cache directory tags see "
                        "https://bford.info/cachedir/\n");
}

}  // namespace sdxl
