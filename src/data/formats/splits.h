// Which files of a data set belong to a split, by the rules that the Hub's data sets follow: the
// configurations in README.md, else names. Works on lists of names, so that it also says what to
// download. Rules: https://huggingface.co/docs/hub/datasets-data-files-configuration
#pragma once

#include <string>
#include <vector>

namespace sdxl {

/// The files (of `files`, paths relative to the root) of the split `split` of configuration
/// `config_name` ("" for the default one), by their paths' bytes. `readme` is README.md's text, ""
/// where there is none. Error(kBadData) that names `source` and what there is to choose from.
std::vector<std::string> files_of_split(std::vector<std::string> files, const std::string& readme,
                                        const std::string& config_name, const std::string& split,
                                        const std::string& source);

/// Whether `path` matches a pattern of such a configuration: * and ? within a folder's or file's
/// name,
/// ** across folders, [abc] and {a,b}.
bool matches_pattern(const std::string& path, const std::string& pattern);

}  // namespace sdxl
