#include "commands/train/output_directory.h"

#include <algorithm>

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
  if (!fs::is_directory(directory)) return std::nullopt;
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

/// Whether a run in `output_dir` that writes `files` may replace or discard `path`.
bool is_at_risk(const std::string& path, const fs::path& output_dir,
                const std::vector<std::string>& files) {
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  if (is_same(path, output_dir) || lies_in(path, output_dir / kValidationFolder)) return true;
  if (std::any_of(files.begin(), files.end(),
                  [&](const std::string& name) { return lies_in(path, output_dir / name); })) {
    return true;
  }
  for (const auto& entry : fs::directory_iterator(output_dir, error)) {
    const bool is_checkpoint = checkpoint_step(entry.path().filename().string()).has_value();
    if (is_checkpoint && lies_in(path, entry.path())) return true;
  }
  return false;
}

void refuse_inputs(const fs::path& output_dir, const TrainConfig& config,
                   const std::vector<std::string>& files) {
  const std::pair<const char*, std::optional<std::string>> inputs[] = {
      {"pretrained_model_name_or_path", config.pretrained_model_name_or_path},
      {"pretrained_vae_model_name_or_path", config.pretrained_vae_model_name_or_path},
      {"unet_config", config.unet_config},
      {"dataset_name", config.dataset_name},
      {"train_data_dir", config.train_data_dir},
      {"lora_weights", config.overwrite_output_dir ? config.lora_weights : std::nullopt}};
  for (const auto& [option, path] : inputs) {
    if (!path || !is_at_risk(*path, output_dir, files)) continue;
    throw Error(ExitStatus::kUsage,
                str("--output_dir ", quoted(output_dir.string()), " holds the input --", option,
                    " ", quoted(*path), ", which the run may replace: give another directory"));
  }
}

/// The parts of the model whose weights differ from those of the checkpoint.
std::vector<std::string> differing_weights(const RunRecord& saved, const RunRecord& now) {
  std::vector<std::string> differing;
  for (const auto& [part, fingerprint] : now.weights) {
    const auto before = saved.weights.find(part);
    if (before == saved.weights.end() || before->second == fingerprint) continue;
    differing.push_back(str("the base model's ", part, " has other weights"));
  }
  return differing;
}

/// What differs between the data that was trained on and the data that is given now.
std::string data_change(const RunRecord& saved, const RunRecord& now) {
  if (saved.samples != now.samples) {
    return str("the data set had ", counted(saved.samples, "sample"), " and has ", now.samples);
  }
  return str("the data set has ", counted(now.samples, "sample"),
             " as before, but other pictures or captions");
}

}  // namespace

RunDirectory::RunDirectory(const TrainConfig& config, std::vector<std::string> result_files,
                           Ranks& ranks)
    : path_(config.output_dir),
      files_(std::move(result_files)),
      checkpoints_(path_, config.checkpoints_total_limit) {
  files_.insert(files_.end(), {kRunConfigFile, kMetricsFile, kBestCheckpointFile, kLeftOutFile});
  if (ranks.is_first()) open(config);
  if (!ranks.is_single()) share(ranks);
  if (resumed_) saved_state_ = read_saved_state(config, ranks.size());
}

void RunDirectory::share(Ranks& ranks) {
  // As text of its own, since paths may hold bytes that JSON cannot.
  const std::string path =
      ranks.broadcast_text(resumed_ ? fs::absolute(resumed_->path).string() : std::string());
  const std::string about = ranks.broadcast_text(
      resumed_ ? one_line({{"step", resumed_->step}, {"is_foreign", resumed_->is_foreign}}) : "{}");
  if (ranks.is_first() || path.empty()) return;
  const Json found = parse_json(about, "rank 0");
  resumed_ = Checkpoint{path, found["step"].get<int64_t>(), found["is_foreign"].get<bool>()};
  if (!fs::is_directory(resumed_->path)) {
    throw Error(ExitStatus::kFileError,
                str("--output_dir: ", quoted(resumed_->path.string()),
                    " is missing on this machine: all ranks need the same file system"));
  }
}

void RunDirectory::open(const TrainConfig& config) {
  refuse_inputs(path_, config, files_);
  if (!config.dry_run) lock_ = lock_output_directory(path_);
  written_ = std::make_unique<WrittenFiles>(path_, config.logging_dir);
  written_->refuse_foreign(files_);
  if (config.overwrite_output_dir) return;  // begin() discards what there is
  if (config.resume_from_checkpoint) {
    return find_checkpoint(*config.resume_from_checkpoint, config.rescue_dir);
  }
  if (const auto result = existing_result(path_)) {
    throw Error(ExitStatus::kUsage,
                str("--output_dir ", quoted(path_.string()), " holds a run already (",
                    result->filename().string(),
                    "): go on with --resume_from_checkpoint latest, discard it with "
                    "--overwrite_output_dir, or give another directory"));
  }
}

/// "latest" may also be in the rescue directory.
std::optional<Checkpoint> RunDirectory::find_latest_or_named(
    const std::string& which, const std::optional<std::string>& rescue_dir) const {
  const std::optional<Checkpoint> found = checkpoints_.find(which);
  if (which != "latest" || !rescue_dir) return found;
  const std::optional<Checkpoint> rescued = CheckpointStore(*rescue_dir, std::nullopt).find(which);
  return rescued && (!found || rescued->step > found->step) ? rescued : found;
}

/// Whether a checkpoint elsewhere was saved by the run of this directory.
bool RunDirectory::is_rescued(const Checkpoint& checkpoint) const {
  if (checkpoint.is_foreign) return false;
  const fs::path file = checkpoint.path / kTrainerStateFile;
  const Json options = json_value(read_json(file), "options", Json(Json::object()), file.string());
  const auto directory = json_value<std::string>(options, "output_dir", "", file.string());
  return is_same(directory, path_);
}

void RunDirectory::find_checkpoint(const std::string& which,
                                   const std::optional<std::string>& rescue_dir) {
  resumed_ = find_latest_or_named(which, rescue_dir);
  if (resumed_ && !resumed_->is_foreign) verify_checkpoint(resumed_->path);
  if (resumed_ && (lies_in(resumed_->path, path_) || is_rescued(*resumed_))) {
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
  if (resumed_ && resumed_->is_foreign) {
    log::warning(str(quoted(resumed_->path.string()),
                     " is a checkpoint of diffusers' script: the run goes on from its weights at "
                     "step ",
                     resumed_->step,
                     "; its optimizer, random states and loss scale are pickles, which are not "
                     "read: the optimizer starts without state, on other samples"));
  }
}

Json RunDirectory::read_saved_state(const TrainConfig& config, int64_t ranks) const {
  if (!resumed_->is_foreign) return read_json(resumed_->path / kTrainerStateFile);
  const int64_t samples_of_step =
      config.train_batch_size * config.gradient_accumulation_steps * ranks;
  return {{"trainer", {{"step", resumed_->step}, {"samples", resumed_->step * samples_of_step}}}};
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

void RunDirectory::require_same_data(const RunRecord& saved, const RunRecord& now,
                                     bool allow_other_data) const {
  const bool known = saved.data && now.data;
  if (known ? saved.data->matches(*now.data) : saved.samples == 0 || saved.samples == now.samples) {
    return;
  }
  const std::string change = data_change(saved, now);
  if (allow_other_data) {
    log::warning(str(change, ": other samples come from here on"));
    return;
  }
  throw Error(ExitStatus::kUsage,
              str("--resume_from_checkpoint ", quoted(resumed_->path.string()), ": ", change,
                  "; give the data of the checkpoint, or go on with other data by "
                  "--allow_other_data"));
}

void RunDirectory::require_same_run(const OptionSet& table, const RunRecord& now,
                                    bool allow_other_data) const {
  if (!resumed_) return;
  const std::string source = saved_state_source();
  const RunRecord saved = RunRecord::from_json(
      json_value(saved_state_, "options", Json(Json::object()), source), source);
  require_same_data(saved, now, allow_other_data);
  const int64_t before = samples_of_step(table, saved.options, saved.ranks);
  const int64_t after = samples_of_step(table, now.options, now.ranks);
  const SameInputs same{before == after, saved.data && now.data,
                        !saved.weights.empty() && !now.weights.empty()};
  std::vector<std::string> differing =
      options_that_forbid_resume(table, saved.options, now.options, same);
  for (std::string& part : differing_weights(saved, now)) differing.push_back(std::move(part));
  if (differing.empty()) {
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
  if (train.overwrite_output_dir) {
    checkpoints_.clear();
    written_->discard();
  }
  std::vector<std::string> files = files_;
  files.emplace_back(kModelCardFile);
  written_->claim(files);
  Json config = record.json();
  for (const Option& option : table.options()) {
    if (option.rule.start_only) config.erase(option.name);
  }
  config["_sdxl_version"] = version();
  write_json(path_ / kRunConfigFile, config);
}

}  // namespace sdxl
