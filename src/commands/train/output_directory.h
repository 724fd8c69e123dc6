// A training run's --output_dir: locks it, finds the checkpoint to resume, guards what is there,
// and saves the options.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files/files.h"
#include "base/json.h"
#include "commands/train/run_record.h"
#include "commands/train/written_files.h"
#include "config/train_config.h"
#include "distributed/ranks.h"
#include "training/run/checkpoint.h"

namespace sdxl {

class RunDirectory {
 public:
  /// Locks the directory and finds the checkpoint to resume, whose bytes are checked against its
  /// manifest: Error(kBadData) if it is damaged. Error(kUsage) when another run is writing there,
  /// or when it holds the results of a run that is neither resumed nor, with
  /// --overwrite_output_dir, discarded; also when it holds files of others that the run may
  /// replace, among them `result_files`, the names of its result. With --dry_run nothing is locked
  /// or created. The first rank does this and tells the others.
  RunDirectory(const TrainConfig& config, std::vector<std::string> result_files, Ranks& ranks);

  const std::filesystem::path& path() const { return path_; }
  CheckpointStore& checkpoints() { return checkpoints_; }
  /// The checkpoint that is resumed, if any.
  const std::optional<Checkpoint>& resumed() const { return resumed_; }
  /// The resumed checkpoint's trainer_state.json, or what a checkpoint of diffusers' scripts says
  /// instead; an empty object for a new run.
  const Json& saved_state() const { return saved_state_; }
  std::string saved_state_source() const;

  /// Error(kUsage) that names what shapes the result and differs from the resumed checkpoint:
  /// options, the base model's weights, and unless `allow_other_data` the data. Inputs are compared
  /// by what they hold, wherever they lie.
  void require_same_run(const OptionSet& table, const RunRecord& now, bool allow_other_data) const;
  /// The draw at which the resumed run goes on; 0 for a new one.
  int64_t samples_done() const;
  /// Begins to write, when everything is checked: removes the last run's files with
  /// --overwrite_output_dir, then writes config.json, which repeats the run when given to
  /// --config. For the first rank alone.
  void begin(const TrainConfig& train, const OptionSet& table, const RunRecord& record);
  /// Whether the run may write the entry `name`, which is free or an earlier run's. For the first
  /// rank alone.
  bool may_write(const std::string& name) const { return written_->may_write(name); }

 private:
  void open(const TrainConfig& config);
  void find_checkpoint(const std::string& which, const std::optional<std::string>& rescue_dir);
  std::optional<Checkpoint> find_latest_or_named(
      const std::string& which, const std::optional<std::string>& rescue_dir) const;
  bool is_rescued(const Checkpoint& checkpoint) const;
  void share(Ranks& ranks);
  void require_same_data(const RunRecord& saved, const RunRecord& now, bool allow_other_data) const;
  Json read_saved_state(const TrainConfig& config, int64_t ranks) const;

  std::filesystem::path path_;
  std::vector<std::string> files_;  // names that the run writes, besides the model card
  std::unique_ptr<WrittenFiles> written_;
  std::unique_ptr<FileLock> lock_;
  CheckpointStore checkpoints_;
  std::optional<Checkpoint> resumed_;
  Json saved_state_ = Json::object();
};

}  // namespace sdxl
