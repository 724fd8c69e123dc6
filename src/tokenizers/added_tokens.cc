// Tokens that are found in a text as they stand.
#include "tokenizers/added_tokens.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "tokenizers/unicode.h"

namespace sdxl {
namespace {

// Where the white space before `end` begins, not before `from`.
size_t white_space_before(std::string_view text, size_t from, size_t end) {
  while (end > from) {
    size_t last = end - 1;
    while (last > from && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
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
      throw Error(ExitStatus::kBadData,
                  str(source, ": two added tokens look like ", quoted(pattern), " in a text"));
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

void AddedTokens::find_in(const ByteTrie& trie, std::string_view text,
                          std::vector<TextPiece>* pieces) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    int64_t id = -1;
    size_t length = 1;
    trie.for_each_prefix(text.substr(at), [&](int64_t found, size_t found_length) {
      id = found;
      length = found_length;
    });
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
