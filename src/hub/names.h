// Checks names from users and servers: repository ids, revisions and paths in a repository.
#pragma once

#include <string>
#include <string_view>

namespace sdxl {

enum class RepositoryKind { kModel, kDataset };

/// Whether `id` is "name" or "owner/name" by the Hub's rules.
bool is_repository_id(std::string_view id);

/// Whether `revision` is 40 hexadecimal digits.
bool is_commit_hash(std::string_view revision);

/// Whether a relative `path` stays inside its directory: no "..", no empty or absolute part, no
/// backslash, no control character.
bool is_safe_relative_path(std::string_view path);

/// Percent-encodes `text` for a URL. `keep_slashes` suits paths.
std::string url_quoted(std::string_view text, bool keep_slashes);

}  // namespace sdxl
