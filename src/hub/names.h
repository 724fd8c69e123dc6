// Names that come from users and servers: repository ids, revisions, file names inside a
// repository.
#pragma once

#include <string>
#include <string_view>

namespace sdxl {

enum class RepositoryKind { kModel, kDataset };

/// "name" or "owner/name" by the Hub's rules.
bool is_repository_id(std::string_view id);

/// 40 hexadecimal digits.
bool is_commit_hash(std::string_view revision);

/// Whether `path` stays inside the directory that it is relative to: no "..", no empty or absolute
/// part, no backslash, no control character.
bool is_safe_relative_path(std::string_view path);

/// Percent-encoded for a URL; with `keep_slashes` as the path of a file.
std::string url_quoted(std::string_view text, bool keep_slashes);

}  // namespace sdxl
