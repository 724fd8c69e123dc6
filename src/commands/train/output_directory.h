// A training run's --output_dir: who may write there, what is resumed, what is saved of the
// options.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "config/train_config.h"
#include "distributed/ranks.h"
#include "training/run/checkpoint.h"

namespace sdxl {

/// What a checkpoint holds besides weights and optimizer.safetensors.
inline constexpr const char* kTrainerStateFile = "trainer_state.json";

class RunDirectory {
 public:
  /// Takes the directory's lock and finds the checkpoint to go on from, every byte of which is
  /// checked against its manifest: Error(kBadData) for a damaged one. Error(kUsage) when another
  /// run is writing there, or when there are results of one that is neither resumed nor, with
  /// --overwrite_output_dir, to be discarded. Of several ranks, which share the directory, the
  /// first does so and the others learn what it found.
  RunDirectory(const TrainConfig& config, Ranks& ranks);

  const std::filesystem::path& path() const { return path_; }
  CheckpointStore& checkpoints() { return checkpoints_; }
  /// What is resumed, if anything is.
  const std::optional<Checkpoint>& resumed() const { return resumed_; }
  /// Its trainer_state.json; an empty object for a new run.
  const Json& saved_state() const { return saved_state_; }
  std::string saved_state_source() const;

  /// Error(kUsage) listing the options that differ from those that the resumed checkpoint was
  /// trained with, if they shape the result.
  void require_same_options(const OptionSet& table, const Json& options) const;
  /// The position in the stream of samples at which the resumed run goes on; 0 for a new one.
  int64_t samples_done() const;
  /// When everything is checked: with --overwrite_output_dir removes what the directory's last run
  /// left, if there was one, then writes config.json; --config of it repeats the run. The first
  /// rank's alone.
  void begin(const TrainConfig& train, const OptionSet& table, const Json& options);

 private:
  void open(const TrainConfig& config);
  void share(Ranks& ranks);

  std::filesystem::path path_;
  std::unique_ptr<FileLock> lock_;
  CheckpointStore checkpoints_;
  std::optional<Checkpoint> resumed_;
  Json saved_state_ = Json::object();
};

}  // namespace sdxl
