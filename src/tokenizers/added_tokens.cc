#include "tokenizers/added_tokens.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"
#include "tokenizers/unicode.h"

namespace sdxl {
namespace {

/// Where the white space that ends at `end` begins, but not before `from`.
size_t white_space_before(std::string_view text, size_t from, size_t end) {
  while (end > from) {
    size_t last = end - 1;
    while (last > from && is_utf8_continuation(text[last])) --last;
    if (!is_white_space(code_point_at(text, last).value)) break;
    end = last;
  }
  return end;
}

size_t white_space_after(std::string_view text, size_t at) {
  while (at < text.size()) {
    const CodePoint c = code_point_at(text, at);
    if (!is_white_space(c.value)) break;
    at += c.length;
  }
  return at;
}

}  // namespace

bool Patterns::add(const std::string& pattern, int64_t id) {
  lengths_.insert(pattern.size());
  first_bytes_.set(static_cast<unsigned char>(pattern.front()));
  return ids_.emplace(pattern, id).second;
}

Patterns::Match Patterns::longest_prefix(std::string_view text) const {
  if (text.empty() || !first_bytes_[static_cast<unsigned char>(text.front())]) return {};
  for (size_t length : lengths_) {
    if (length > text.size()) continue;
    const auto found = ids_.find(text.substr(0, length));
    if (found != ids_.end()) return {found->second, length};
  }
  return {};
}

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens, const Vocabulary& vocabulary,
                         Normalizer normalizer, bool split_special, const std::string& source)
    : vocabulary_(vocabulary), normalizer_(std::move(normalizer)), split_special_(split_special) {
  int64_t next_id = vocabulary.size();
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    const auto known = find(token.content);
    const int64_t id = known ? *known : next_id++;
    ids_[token.content] = id;
    tokens_[id] = token;
  }
  for (const auto& [id, token] : tokens_) {
    const std::string pattern = token.normalized ? normalizer_(token.content) : token.content;
    shown_[id] = pattern;
    if (!pattern.empty() && !(token.normalized ? normalized_ : raw_).add(pattern, id)) {
      throw bad_data(source, "two added tokens look like ", quoted(pattern), " in a text");
    }
  }
}

std::optional<int64_t> AddedTokens::find(std::string_view content) const {
  auto found = ids_.find(std::string(content));
  if (found != ids_.end()) return found->second;
  return vocabulary_.find(content);
}

const std::string* AddedTokens::shown(int64_t id) const {
  auto found = shown_.find(id);
  return found == shown_.end() ? nullptr : &found->second;
}

void AddedTokens::find_in(const Patterns& patterns, std::string_view text,
                          std::vector<TextPiece>* pieces) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const auto [id, length] = patterns.longest_prefix(text.substr(at));
    if (id < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_.at(id);
    size_t begin = at, end = at + length;
    at = end;
    if (split_special_ && token.special) continue;
    if (token.lstrip) begin = std::max(white_space_before(text, 0, begin), done);
    if (token.rstrip) end = white_space_after(text, end);
    if (done < begin) pieces->push_back({std::string(text.substr(done, begin - done))});
    pieces->push_back({"", id});
    done = end;
  }
  if (done < text.size()) pieces->push_back({std::string(text.substr(done))});
}

std::vector<TextPiece> AddedTokens::split(std::string_view text) const {
  std::vector<TextPiece> raw, pieces;
  find_in(raw_, text, &raw);
  for (TextPiece& piece : raw) {
    if (piece.id >= 0) {
      pieces.push_back(std::move(piece));
    } else {
      find_in(normalized_, normalizer_(piece.text), &pieces);
    }
  }
  return pieces;
}

}  // namespace sdxl
