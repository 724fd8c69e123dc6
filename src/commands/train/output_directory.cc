#include "commands/train/output_directory.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "config/resume.h"
#include "io/model_files.h"
#include "training/run/run_files.h"

namespace sdxl {
namespace {

/// A result that a new run would overwrite.
std::optional<fs::path> existing_result(const fs::path& directory) {
  for (const char* name : {kModelIndexFile, kLoraWeights}) {
    if (fs::exists(directory / name)) return directory / name;
  }
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (is_complete_checkpoint(entry.path())) return entry.path();
  }
  return std::nullopt;
}

bool is_same(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error);
}

/// Whether `path` is `directory` or something in it.
bool lies_in(const fs::path& path, const fs::path& directory) {
  const fs::path whole = fs::absolute(path).lexically_normal();
  for (fs::path part = whole; part.has_relative_path(); part = part.parent_path()) {
    if (is_same(part, directory)) return true;
  }
  return false;
}

/// Removes the files of a discarded run, so that two runs never mix. Logs outside the directory
/// stay: other runs may log there too.
void discard_run(const fs::path& directory, const fs::path& logs, CheckpointStore& store) {
  store.clear();
  for (const char* name :
       {kMetricsFile, kRunConfigFile, kLeftOutFile, kBestCheckpointFile, kModelIndexFile,
        kLoraWeights, kKohyaLoraWeights, kValidationFolder, kModelCardFile}) {
    fs::remove_all(directory / name);
  }
  const fs::path log_folder = directory / logs;
  if (lies_in(log_folder, directory) && !is_same(log_folder, directory)) fs::remove_all(log_folder);
}

/// Warns that "latest" would find a checkpoint past the step that the run goes back to.
void warn_of_later(const std::vector<Checkpoint>& all, int64_t step) {
  std::vector<std::string> later;
  for (const Checkpoint& one : all) {
    if (one.step > step) later.push_back(one.path.filename().string());
  }
  if (later.empty()) return;
  log::warning(str("going back to step ", step, ", before ", join(later, ", "),
                   ": --resume_from_checkpoint latest would go on from there until this run is "
                   "past it; remove those that you do not want"));
}

/// A run replaces and discards files of its directory, which must not be its inputs.
void refuse_inputs(const fs::path& output_dir, const TrainConfig& config) {
  const auto refuse = [&](const char* option, const std::string& path) {
    throw Error(ExitStatus::kUsage,
                str("--output_dir ", quoted(output_dir.string()), " holds the input --", option,
                    " ", quoted(path), ": give another directory"));
  };
  const std::pair<const char*, std::optional<std::string>> inputs[] = {
      {"pretrained_model_name_or_path", config.pretrained_model_name_or_path},
      {"pretrained_vae_model_name_or_path", config.pretrained_vae_model_name_or_path},
      {"dataset_name", config.dataset_name},
      {"train_data_dir", config.train_data_dir}};
  for (const auto& [option, path] : inputs) {
    if (path && is_same(*path, output_dir)) refuse(option, *path);
  }
  if (config.overwrite_output_dir && config.lora_weights &&
      lies_in(*config.lora_weights, output_dir)) {
    refuse("lora_weights", *config.lora_weights);
  }
}

}  // namespace

RunDirectory::RunDirectory(const TrainConfig& config, Ranks& ranks)
    : path_(config.output_dir), checkpoints_(path_, config.checkpoints_total_limit) {
  if (ranks.is_first()) open(config);
  if (!ranks.is_single()) share(ranks);
  if (resumed_) saved_state_ = read_json(resumed_->path / kTrainerStateFile);
}

void RunDirectory::share(Ranks& ranks) {
  Json found = Json::object();
  if (resumed_) found = {{"path", fs::absolute(resumed_->path).string()}, {"step", resumed_->step}};
  found = parse_json(ranks.broadcast_text(found.dump()), "rank 0");
  if (ranks.is_first() || found.empty()) return;
  resumed_ = Checkpoint{found["path"].get<std::string>(), found["step"].get<int64_t>()};
  if (!fs::is_directory(resumed_->path)) {
    throw Error(ExitStatus::kFileError,
                str("--output_dir: ", quoted(resumed_->path.string()),
                    " is missing on this machine: all ranks need the same file system"));
  }
}

void RunDirectory::open(const TrainConfig& config) {
  refuse_inputs(path_, config);
  lock_ = lock_output_directory(path_);
  if (config.overwrite_output_dir) return;  // begin() discards what there is
  if (!config.resume_from_checkpoint) {
    if (const auto result = existing_result(path_)) {
      throw Error(ExitStatus::kUsage,
                  str("--output_dir ", quoted(path_.string()), " holds a run already (",
                      result->filename().string(),
                      "): go on with --resume_from_checkpoint latest, discard it with "
                      "--overwrite_output_dir, or give another directory"));
    }
    return;
  }
  resumed_ = checkpoints_.find(*config.resume_from_checkpoint);
  if (resumed_) verify_checkpoint(resumed_->path);
  if (resumed_ && lies_in(resumed_->path, path_)) {
    warn_of_later(checkpoints_.list(), resumed_->step);
    return;
  }
  if (const auto result = existing_result(path_)) {
    const std::string directory = quoted(path_.string()), found = result->filename().string();
    throw Error(ExitStatus::kUsage,
                resumed_
                    ? str("--output_dir ", directory, " holds a run (", found,
                          ") and --resume_from_checkpoint ", quoted(resumed_->path.string()),
                          " belongs to another: resume with latest, or give another --output_dir")
                    : str("--output_dir ", directory, " holds a finished run (", found,
                          ") without a checkpoint to resume from: discard it with "
                          "--overwrite_output_dir, or give another directory"));
  }
  if (!resumed_) log::info("no checkpoint yet: starting from the beginning");
}

int64_t RunDirectory::samples_done() const {
  if (!resumed_) return 0;
  const std::string source = saved_state_source();
  return json_value(json_value(saved_state_, "trainer", Json(Json::object()), source), "samples",
                    int64_t{0}, source);
}

std::string RunDirectory::saved_state_source() const {
  return (resumed_->path / kTrainerStateFile).string();
}

void RunDirectory::require_same_options(const OptionSet& table, const RunRecord& now) const {
  if (!resumed_) return;
  const std::string source = saved_state_source();
  const RunRecord saved = RunRecord::from_json(
      json_value(saved_state_, "options", Json(Json::object()), source), source);
  const int64_t before = samples_of_step(table, saved.options, saved.ranks);
  const int64_t after = samples_of_step(table, now.options, now.ranks);
  const std::vector<std::string> differing =
      options_that_forbid_resume(table, saved.options, now.options, before == after);
  if (differing.empty()) {
    if (saved.samples != 0 && saved.samples != now.samples) {
      log::warning(str("the data set had ", counted(saved.samples, "sample"), " and has ",
                       now.samples, ": their order changes from here on"));
    }
    if (before != after) {
      log::warning(str("a step had ", counted(before, "sample"), " and has ", after,
                       " with this number of processes: the run goes on from the same sample, but "
                       "its result will differ"));
    }
    return;
  }
  throw Error(ExitStatus::kUsage,
              str("--resume_from_checkpoint ", quoted(resumed_->path.string()),
                  " was trained with other options: ", escaped(join(differing, "; ")),
                  "; give the same options, or start a new run in another --output_dir"));
}

void RunDirectory::begin(const TrainConfig& train, const OptionSet& table,
                         const RunRecord& record) {
  // Without a run, a README.md or logs in the directory belong to somebody else.
  const bool holds_run = fs::exists(path_ / kMetricsFile) || existing_result(path_).has_value();
  if (train.overwrite_output_dir && holds_run) discard_run(path_, train.logging_dir, checkpoints_);
  Json config = record.json();
  for (const Option& option : table.options()) {
    if (option.rule.start_only) config.erase(option.name);
  }
  config["_sdxl_version"] = version();
  write_json(path_ / kRunConfigFile, config);
}

}  // namespace sdxl
