#include "commands/train/written_files.h"

#include <algorithm>

#include "base/error.h"
#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "io/model_files.h"
#include "training/run/checkpoint.h"
#include "training/run/run_files.h"

namespace sdxl {
namespace {

constexpr int64_t kRecordVersion = 1;

bool entry_exists(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found;
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Folders of validation pictures.
bool is_picture_folder(const std::string& name) {
  return name == "base" || name == "test" || name.starts_with("step-");
}

/// Files and folders of trackers, in the logs' folder or a folder there.
bool is_tracker_entry(const std::string& name) {
  return name.starts_with("events.out.tfevents.") || name.starts_with("offline-run-");
}

bool has_tracker_entries(const fs::path& logs) {
  for (const std::string& name : names_in(logs)) {
    const std::vector<std::string> inner = names_in(logs / name);
    if (std::any_of(inner.begin(), inner.end(), is_tracker_entry)) return true;
  }
  return false;
}

std::vector<std::string> picture_folders(const fs::path& directory) {
  std::vector<std::string> names = names_in(directory / kValidationFolder);
  std::erase_if(names, [](const std::string& name) { return !is_picture_folder(name); });
  for (std::string& name : names) name = str(kValidationFolder, "/", name);
  return names;
}

/// Whether a version before the record wrote the config.json.
bool has_older_run(const fs::path& directory) {
  const fs::path file = directory / kConfigFile;
  if (!fs::is_regular_file(file)) return false;
  try {
    return read_json(file).contains("_sdxl_version");
  } catch (const Error&) {
    return false;
  }
}

bool has_own_checkpoint(const fs::path& directory) {
  const std::vector<std::string> names = names_in(directory);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return checkpoint_step(name) && has_manifest(directory / name);
  });
}

/// Everything that a training command may write, besides checkpoints.
std::set<std::string> known_names(const std::string& logs) {
  return {kMetricsFile,
          kLeftOutFile,
          kConfigFile,
          kBestCheckpointFile,
          kModelCardFile,
          kModelIndexFile,
          kUNetFolder,
          kVaeFolder,
          kTextEncoderFolder,
          kTextEncoder2Folder,
          kTokenizerFolder,
          kTokenizer2Folder,
          kSchedulerFolder,
          kLoraWeights,
          kKohyaLoraWeights,
          kValidationFolder,
          logs};
}

/// Removes matching entries, then the folder if it is empty. Follows no link.
void remove_entries(const fs::path& folder, bool (*matches)(const std::string&)) {
  if (!fs::is_directory(fs::symlink_status(folder))) return;
  for (const std::string& name : names_in(folder)) {
    if (matches(name)) fs::remove_all(folder / name);
  }
  std::error_code error;
  fs::remove(folder, error);  // fails unless it is empty
}

/// `logs` as a name in the directory; "" if it is the directory itself or outside.
std::string name_of_logs(const fs::path& logs) {
  const fs::path normal = (logs / "").lexically_normal().parent_path();
  if (normal.empty() || normal.is_absolute() || *normal.begin() == "..") return "";
  return normal.string();
}

}  // namespace

WrittenFiles::WrittenFiles(fs::path directory, const fs::path& logs)
    : directory_(std::move(directory)), logs_(name_of_logs(logs)) {
  const fs::path record = directory_ / kWrittenFilesFile;
  if (!fs::exists(record)) {
    if (has_older_run(directory_)) {
      names_ = known_names(logs_);
    } else if (has_own_checkpoint(directory_)) {
      names_ = {kMetricsFile};
    }
    return;
  }
  const std::set<std::string> known = known_names(logs_);
  for (const Json& name :
       json_value(read_json(record), "files", Json(Json::array()), record.string())) {
    if (name.is_string() && known.contains(name.get<std::string>())) {
      names_.insert(name.get<std::string>());
    }
  }
}

bool WrittenFiles::may_write(const std::string& name) const {
  if (names_.contains(name)) return true;
  if (name == kValidationFolder) return picture_folders(directory_).empty();
  if (name == logs_) return !has_tracker_entries(directory_ / logs_);
  return !entry_exists(directory_ / name);
}

std::vector<std::string> WrittenFiles::foreign(const std::vector<std::string>& files) const {
  std::vector<std::string> names;
  for (const std::string& name : names_in(directory_)) {
    if (checkpoint_step(name) && !has_manifest(directory_ / name)) names.push_back(name);
  }
  for (const std::string& name : files) {
    if (!may_write(name)) names.push_back(name);
  }
  if (!may_write(kValidationFolder)) {
    const std::vector<std::string> pictures = picture_folders(directory_);
    names.insert(names.end(), pictures.begin(), pictures.end());
  }
  return names;
}

void WrittenFiles::refuse_foreign(const std::vector<std::string>& files) const {
  const std::vector<std::string> names = foreign(files);
  if (names.empty()) return;
  std::string remedy = "move it away, or give another directory";
  for (const std::string& name : names) {
    if (!is_checkpoint_of_accelerate(directory_ / name)) continue;
    remedy = str("give another --output_dir; --resume_from_checkpoint ",
                 quoted((directory_ / name).string()),
                 " then goes on from the weights of that checkpoint of diffusers' script");
  }
  throw Error(
      ExitStatus::kUsage,
      str("--output_dir ", quoted(directory_.string()), " holds ", escaped(join(names, ", ")),
          ", which sdxl did not write and this run may replace: ", remedy));
}

void WrittenFiles::claim(const std::vector<std::string>& files) {
  std::set<std::string> claimed = names_;
  std::vector<std::string> names = files;
  names.insert(names.end(), {kValidationFolder, logs_});
  for (const std::string& name : names) {
    if (!name.empty() && may_write(name)) claimed.insert(name);
  }
  names_ = std::move(claimed);
  write_json(directory_ / kWrittenFilesFile,
             {{"format_version", kRecordVersion}, {"files", names_}});
}

void WrittenFiles::discard() const {
  for (const std::string& name : names_) {
    if (!name.empty() && name != kValidationFolder && name != logs_)
      fs::remove_all(directory_ / name);
  }
  if (names_.contains(kValidationFolder))
    remove_entries(directory_ / kValidationFolder, is_picture_folder);
  if (logs_.empty() || !names_.contains(logs_)) return;
  for (const std::string& name : names_in(directory_ / logs_)) {
    remove_entries(directory_ / logs_ / name, is_tracker_entry);
  }
  std::error_code error;
  fs::remove(directory_ / logs_, error);  // fails unless it is empty
}

}  // namespace sdxl
