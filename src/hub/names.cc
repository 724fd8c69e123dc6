#include "hub/names.h"

#include <algorithm>

#include "base/text.h"

namespace sdxl {
namespace {

constexpr size_t kMaxId = 96;
constexpr size_t kMaxPath = 1024;

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_id_part(std::string_view part) {
  const auto edge = [](char c) { return is_alphanumeric(c) || c == '_'; };
  return !part.empty() && edge(part.front()) && edge(part.back()) &&
         std::all_of(part.begin(), part.end(),
                     [&](char c) { return edge(c) || c == '-' || c == '.'; });
}

}  // namespace

bool is_repository_id(std::string_view id) {
  if (id.size() > kMaxId || id.find("--") != std::string_view::npos ||
      id.find("..") != std::string_view::npos || id.ends_with(".git")) {
    return false;
  }
  const size_t slash = id.find('/');
  if (slash == std::string_view::npos) return is_id_part(id);
  return is_id_part(id.substr(0, slash)) && is_id_part(id.substr(slash + 1));
}

bool is_commit_hash(std::string_view revision) {
  return revision.size() == 40 && std::all_of(revision.begin(), revision.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool is_safe_relative_path(std::string_view path) {
  if (path.empty() || path.size() > kMaxPath) return false;
  const bool clean = std::none_of(path.begin(), path.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F || c == '\\';
  });
  if (!clean) return false;
  for (const std::string& part : split(path, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return path.size() < 2 || path[1] != ':';
}

std::string url_quoted(std::string_view text, bool keep_slashes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
        (c == '/' && keep_slashes)) {
      result.push_back(c);
    } else {
      result.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return result;
}

}  // namespace sdxl
