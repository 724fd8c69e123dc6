// Models and data sets that users name: paths, or repositories of the Hub that are downloaded
// first.
#pragma once

#include <filesystem>
#include <string>

#include "hub/file_choice.h"
#include "hub/names.h"
#include "hub/options.h"

namespace sdxl {

/// Returns `name_or_path` if it exists. Otherwise downloads the files of that repository that
/// `choice` names to the cache and returns the directory of their snapshot. Makes no request if
/// options.offline is set, or if the revision is a commit whose chosen files are all cached.
/// Error(kUsage) for what is neither a path nor a repository; Error(kUnavailable), Error(kBadData),
/// Error(kFileError).
std::filesystem::path resolve_repository(const std::string& name_or_path, RepositoryKind kind,
                                         const FileChoice& choice, const HubOptions& options);
/// The same for a repository, even if there is a path of that name.
std::filesystem::path fetch_repository(const std::string& id, RepositoryKind kind,
                                       const FileChoice& choice, const HubOptions& options);

}  // namespace sdxl
