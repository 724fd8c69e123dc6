// What runs of sdxl wrote into an output directory, as the record .sdxl-files.json there lists it.
// Everything else belongs to somebody else and is neither replaced nor removed.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace sdxl {

class WrittenFiles {
 public:
  /// Reads the record of `directory`, which need not exist. `logs` is --logging_dir, relative to
  /// it. Without a record, but with a config.json that an older version wrote, everything that a
  /// run may write counts as its own; with a checkpoint of sdxl alone, metrics.jsonl does.
  WrittenFiles(std::filesystem::path directory, const std::filesystem::path& logs);

  /// Error(kUsage) that names what a run would replace and sdxl did not write: those of `files`,
  /// checkpoints without a manifest, and pictures in validation/.
  void refuse_foreign(const std::vector<std::string>& files) const;
  /// Whether a run may write the entry `name`: it does not exist, or earlier runs wrote it.
  bool may_write(const std::string& name) const;
  /// Records `files`, validation/ and the logs, so far as a run may write them. Call it before they
  /// are written.
  void claim(const std::vector<std::string>& files);
  /// Removes what earlier runs wrote, except checkpoints. Other files in validation/ and in the
  /// logs' folder stay.
  void discard() const;

 private:
  /// Names of what a run would replace and sdxl did not write.
  std::vector<std::string> foreign(const std::vector<std::string>& files) const;

  std::filesystem::path directory_;
  std::string logs_;  // "" if they lie outside the directory
  std::set<std::string> names_;
};

}  // namespace sdxl
