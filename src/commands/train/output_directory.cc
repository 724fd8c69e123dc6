#include "commands/train/output_directory.h"

#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
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
  for (const char* name : {kMetricsFile, kRunConfigFile, kBestCheckpointFile, kModelIndexFile,
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

const std::set<std::string> kGroup = {"train_batch_size", "gradient_accumulation_steps"};

/// Samples of an optimizer step.
int64_t samples_of_step(const RunRecord& record) {
  return record.options.value("train_batch_size", int64_t{1}) *
         record.options.value("gradient_accumulation_steps", int64_t{1}) * record.ranks;
}

}  // namespace

RunDirectory::RunDirectory(const TrainConfig& config, Ranks& ranks)
    : path_(config.output_dir), checkpoints_(path_, config.checkpoints_total_limit) {
  if (ranks.is_first()) open(config);
  if (!ranks.alone()) share(ranks);
  if (resumed_) saved_state_ = read_json(resumed_->path / kTrainerStateFile);
}

void RunDirectory::share(Ranks& ranks) {
  Json found = Json::object();
  if (resumed_) found = {{"path", fs::absolute(resumed_->path).string()}, {"step", resumed_->step}};
  found = parse_json(ranks.share(found.dump()), "rank 0");
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

std::vector<std::string> differing_options(const RunRecord& saved, const RunRecord& now) {
  static const std::set<std::string> kHarmless = {"output_dir",
                                                  "overwrite_output_dir",
                                                  "resume_from_checkpoint",
                                                  "checkpointing_steps",
                                                  "checkpoints_total_limit",
                                                  "keep_best_checkpoint",
                                                  "validation_prompt",
                                                  "num_validation_images",
                                                  "validation_epochs",
                                                  "validation_steps",
                                                  "validation_resolution",
                                                  "validation_loss_steps",
                                                  "report_to",
                                                  "logging_dir",
                                                  "embedding_cache_dir",
                                                  "cache_dir",
                                                  "dataloader_num_workers",
                                                  "num_threads",
                                                  "log_level",
                                                  "offline",
                                                  "device",
                                                  "local_rank",
                                                  "ddp_timeout",
                                                  "zero_stage",
                                                  "gradient_checkpointing",
                                                  "save_kohya",
                                                  "debug_loss",
                                                  "enable_xformers_memory_efficient_attention",
                                                  "push_to_hub",
                                                  "hub_model_id"};
  // The length of a run shapes the result only through a schedule that ends.
  const std::string schedule = now.options.value("lr_scheduler", "constant");
  const bool endless = schedule == "constant" || schedule == "constant_with_warmup";
  const bool same_group = samples_of_step(saved) == samples_of_step(now);
  std::vector<std::string> differing;
  for (const auto& [key, value] : now.options.items()) {
    if (kHarmless.count(key) != 0 || (same_group && kGroup.count(key) != 0)) continue;
    if (endless && (key == "max_train_steps" || key == "num_train_epochs")) continue;
    const auto before = saved.options.find(key);
    if (before == saved.options.end() || *before == value) continue;
    differing.push_back(str("--", key, " was ", before->dump(), " and is ", value.dump()));
  }
  return differing;
}

void RunDirectory::require_same_options(const RunRecord& now) const {
  if (!resumed_) return;
  const std::string source = saved_state_source();
  const RunRecord saved = RunRecord::from_json(
      json_value(saved_state_, "options", Json(Json::object()), source), source);
  const std::vector<std::string> differing = differing_options(saved, now);
  if (differing.empty()) {
    if (saved.samples != 0 && saved.samples != now.samples) {
      log::warning(str("the data set had ", saved.samples, " samples and has ", now.samples,
                       ": their order changes from here on"));
    }
    const int64_t before = samples_of_step(saved), after = samples_of_step(now);
    if (before != after) {
      log::warning(str("a step had ", before, " samples and has ", after,
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

void RunDirectory::begin(const TrainConfig& train, const RunRecord& record) {
  // Without a run, a README.md or logs in the directory belong to somebody else.
  const bool holds_run = fs::exists(path_ / kMetricsFile) || existing_result(path_).has_value();
  if (train.overwrite_output_dir && holds_run) discard_run(path_, train.logging_dir, checkpoints_);
  Json config = record.json();
  for (const char* key : {"resume_from_checkpoint", "overwrite_output_dir"}) config.erase(key);
  config["_sdxl_version"] = version();
  write_json(path_ / kRunConfigFile, config);
}

}  // namespace sdxl
