// Which files of a data set belong to a split, by the rules of the Hub: the `configs` of README.md,
// else the names of folders and files. Works on names alone, so it also decides what to download.
// Rules: https://huggingface.co/docs/hub/datasets-data-files-configuration
#pragma once

#include <map>
#include <string>
#include <vector>

namespace sdxl {

/// Assigns the files of a data set to its splits.
class SplitRules {
 public:
  /// `files` are relative to the data set's root; `readme` is the text of its README.md, or "".
  /// `config_name` chooses one of its configurations, "" the default one. Error(kBadData) names
  /// `source` and the configurations there are.
  SplitRules(std::vector<std::string> files, const std::string& readme,
             const std::string& config_name, std::string source);

  /// The files of `split`, ordered by their paths' bytes, with the caption and metadata files that
  /// may describe them. Error(kBadData) names the splits there are if it has no files.
  std::vector<std::string> files(const std::string& split) const;

  /// Whether a file of this path belongs to `split`, be it there or not.
  bool contains(const std::string& path, const std::string& split) const;

 private:
  /// What tells a file's split: a pattern of README.md, the name of a shard in data/, a keyword in
  /// the folders' names, a keyword in the file's name, or nothing (all files are of "train").
  enum class By { kPatterns, kShards, kFolders, kNames, kNothing };

  std::vector<std::string> names_of_splits() const;

  std::string source_;
  std::vector<std::string> files_;
  By by_ = By::kNothing;
  std::string directory_;  ///< "", or the configuration's data_dir with a slash at its end.
  std::map<std::string, std::vector<std::string>> patterns_;
};

/// Whether `path` matches a pattern of a configuration: `*` and `?` within a name, `**` across
/// folders, `[abc]` and `{a,b}`.
bool matches_pattern(const std::string& path, const std::string& pattern);

}  // namespace sdxl
