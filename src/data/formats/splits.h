// Which files of a data set belong to a split, by the rules of the Hub: the `configs` of README.md,
// else the names of folders and files. Works on names alone, so it also decides what to download.
// Rules: https://huggingface.co/docs/hub/datasets-data-files-configuration
#pragma once

#include <string>
#include <vector>

namespace sdxl {

/// The files of `split` in the configuration `config_name` ("" for the default one), ordered by
/// their paths' bytes, with the caption and metadata files that may describe them. `files` are
/// relative to the data set's root; `readme` is the text of its README.md, or "". Error(kBadData)
/// names `source` and the splits or configurations there are.
std::vector<std::string> files_of_split(std::vector<std::string> files, const std::string& readme,
                                        const std::string& config_name, const std::string& split,
                                        const std::string& source);

/// Whether `path` matches a pattern of a configuration: `*` and `?` within a name, `**` across
/// folders, `[abc]` and `{a,b}`.
bool matches_pattern(const std::string& path, const std::string& pattern);

}  // namespace sdxl
