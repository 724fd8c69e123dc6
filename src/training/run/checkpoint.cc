#include "training/run/checkpoint.h"

#include <algorithm>

#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/version.h"
#include "training/run/run_files.h"

namespace sdxl {
namespace {

constexpr int64_t kFormatVersion = 1;

void write_manifest(const fs::path& directory, int64_t step) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Json list = Json::array();
  for (const fs::path& file : files) {
    list.push_back({{"name", fs::relative(file, directory).generic_string()},
                    {"size", fs::file_size(file)},
                    {"sha256", sha256_of_file(file)}});
  }
  write_json(directory / kManifestFile, {{"format_version", kFormatVersion},
                                         {"step", step},
                                         {"sdxl_version", version()},
                                         {"files", list}});
}

struct ManifestFile {
  fs::path path;
  uint64_t size;
  std::string sha256;
};

/// Error(kBadData) when the manifest is of a later format or malformed.
std::vector<ManifestFile> read_manifest(const fs::path& directory) {
  const fs::path path = directory / kManifestFile;
  const std::string source = path.string();
  const Json manifest = read_json(path);
  if (json_value(manifest, "format_version", int64_t{0}, source) != kFormatVersion) {
    throw Error(ExitStatus::kBadData, str(source, ": format_version is not ", kFormatVersion,
                                          ": this checkpoint needs a newer sdxl"));
  }
  std::vector<ManifestFile> files;
  for (const Json& entry : json_value(manifest, "files", Json::array(), source)) {
    const auto name = json_value<std::string>(entry, "name", "", source);
    files.push_back({directory / name, json_value(entry, "size", uint64_t{0}, source),
                     json_value<std::string>(entry, "sha256", "", source)});
  }
  return files;
}

}  // namespace

uint64_t needed_for(uint64_t expected_bytes) { return expected_bytes + expected_bytes / 20; }

bool is_checkpoint_of_accelerate(const fs::path& directory) {
  for (const char* name : {"optimizer.bin", "scheduler.bin", "random_states_0.pkl"}) {
    if (fs::exists(directory / name)) return true;
  }
  return false;
}

bool has_manifest(const fs::path& directory) {
  const fs::path file = directory / kManifestFile;
  if (!fs::is_regular_file(file)) return false;
  try {
    return read_json(file).contains("sdxl_version");
  } catch (const Error&) {
    return false;
  }
}

bool is_complete_checkpoint(const fs::path& directory) {
  if (!fs::exists(directory / kManifestFile)) return false;
  try {
    for (const ManifestFile& file : read_manifest(directory)) {
      std::error_code error;
      if (fs::file_size(file.path, error) != file.size || error) return false;
    }
  } catch (const Error& error) {
    log::warning(error.what());
    return false;
  }
  return true;
}

void verify_checkpoint(const fs::path& directory) {
  for (const ManifestFile& file : read_manifest(directory)) {
    throw_if_stop_requested("checking the checkpoint");
    if (!fs::exists(file.path) || sha256_of_file(file.path) != file.sha256) {
      throw Error(ExitStatus::kBadData,
                  str(quoted(file.path.string()),
                      " does not match the checkpoint's manifest and is damaged; resume from an "
                      "earlier checkpoint"));
    }
  }
}

CheckpointStore::CheckpointStore(fs::path output_dir, std::optional<int64_t> total_limit)
    : output_dir_(std::move(output_dir)), total_limit_(total_limit) {}

std::vector<Checkpoint> CheckpointStore::list() const {
  std::vector<Checkpoint> found;
  if (!fs::is_directory(output_dir_)) return found;
  for (const auto& entry : fs::directory_iterator(output_dir_)) {
    const std::optional<int64_t> step = checkpoint_step(entry.path().filename().string());
    if (!step || !entry.is_directory()) continue;
    if (is_complete_checkpoint(entry.path())) {
      found.push_back({entry.path(), *step});
    } else {
      log::warning(str(quoted(entry.path().string()), " is not a complete checkpoint: skipped"));
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Checkpoint& a, const Checkpoint& b) { return a.step < b.step; });
  return found;
}

std::optional<Checkpoint> CheckpointStore::find(const std::string& which) const {
  if (which == "latest") {
    const std::vector<Checkpoint> all = list();
    return all.empty() ? std::nullopt : std::optional(all.back());
  }
  fs::path path = which;
  if (!fs::is_directory(path)) path = output_dir_ / path.lexically_normal().filename();
  if (!fs::is_directory(path)) {
    throw Error(ExitStatus::kUsage,
                str("--resume_from_checkpoint ", quoted(which),
                    " is neither a directory nor a checkpoint in ", quoted(output_dir_.string())));
  }
  const fs::path name = path.has_filename() ? path.filename() : path.parent_path().filename();
  const std::optional<int64_t> step = checkpoint_step(name.string());
  if (step && !has_manifest(path) && is_checkpoint_of_accelerate(path)) {
    return Checkpoint{path, *step, /*is_foreign=*/true};
  }
  if (!step || !is_complete_checkpoint(path)) {
    throw Error(ExitStatus::kBadData,
                str(quoted(path.string()),
                    " is not a complete checkpoint of sdxl (a directory checkpoint-N "
                    "with a matching manifest.json)"));
  }
  return Checkpoint{path, *step};
}

fs::path CheckpointStore::save(int64_t step, uint64_t expected_bytes,
                               const std::function<void(const fs::path&)>& write) {
  const fs::path target = output_dir_ / checkpoint_name(step);
  if (fs::exists(target) && !has_manifest(target)) {
    throw Error(ExitStatus::kFileError, str("cannot save ", quoted(target.string()),
                                            ": it exists and sdxl did not write it; move it away"));
  }
  require_free_space(output_dir_, needed_for(expected_bytes));
  AtomicDirectory directory(target);
  write(directory.working_path());
  write_manifest(directory.working_path(), step);
  directory.commit(/*replace=*/true);
  prune(step);
  return target;
}

void CheckpointStore::prune(int64_t newest) const {
  if (!total_limit_) return;
  std::vector<Checkpoint> all = list();
  const auto is_protected = [this](const Checkpoint& one) { return one.step == protected_step_; };
  std::erase_if(all, is_protected);
  // A run that went back to an earlier step finds later checkpoints; the new one goes last.
  std::stable_partition(all.begin(), all.end(),
                        [newest](const Checkpoint& one) { return one.step != newest; });
  const int64_t surplus = std::ssize(all) - *total_limit_;
  for (int64_t i = 0; i < surplus; ++i) remove(all[i]);
}

void CheckpointStore::remove(const Checkpoint& checkpoint) const {
  const fs::path doomed = output_dir_ / doomed_name(checkpoint.path.filename().string());
  fs::remove_all(doomed);
  fs::rename(checkpoint.path, doomed);
  fs::remove_all(doomed);
}

void CheckpointStore::clear() {
  for (const auto& entry : fs::directory_iterator(output_dir_)) {
    const bool is_checkpoint = checkpoint_step(entry.path().filename().string()).has_value();
    if (is_checkpoint && has_manifest(entry.path())) fs::remove_all(entry.path());
  }
}

std::unique_ptr<FileLock> lock_output_directory(const fs::path& directory) {
  make_directories(directory);
  std::unique_ptr<FileLock> lock = FileLock::try_acquire(directory / kRunLockFile);
  if (!lock) {
    throw Error(ExitStatus::kUsage,
                str("--output_dir ", quoted(directory.string()),
                    " is in use by another run: wait for it, or choose another directory"));
  }
  remove_stale_temporaries(directory);
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (is_doomed_name(entry.path().filename().string())) {
      fs::remove_all(entry.path());
    }
  }
  return lock;
}

}  // namespace sdxl
