#include "tokenizers/clip_tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "tokenizers/padding.h"
#include "tokenizers/unicode.h"

namespace sdxl {
namespace {

constexpr std::string_view kEndOfWord = "</w>";
const std::map<std::string, std::string> kClipSpecialTokens = {{"bos_token", "<|startoftext|>"},
                                                               {"eos_token", "<|endoftext|>"},
                                                               {"unk_token", "<|endoftext|>"},
                                                               {"pad_token", "<|endoftext|>"}};
constexpr size_t kLongestCachedWord = 32, kMostCachedWords = 16384;

/// The printable character that stands for a byte: itself where Latin-1 can print it, else the next
/// one from U+0100 on.
char32_t letter_of_byte(int byte) {
  const auto printable = [](int b) {
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  };
  if (printable(byte)) return static_cast<char32_t>(byte);
  char32_t letter = 0x100;
  for (int b = 0; b < byte; ++b) letter += printable(b) ? 0 : 1;
  return letter;
}

/// The inverse of letter_of_byte; -1 for letters that stand for no byte.
int byte_of_letter(char32_t letter) {
  static const auto bytes = [] {
    std::array<int16_t, 0x144> result;
    result.fill(-1);
    for (int b = 0; b < 256; ++b) result[letter_of_byte(b)] = static_cast<int16_t>(b);
    return result;
  }();
  return letter < bytes.size() ? bytes[letter] : -1;
}

/// Appends the bytes that the letters of `token` stand for, or `token` itself if one of them stands
/// for none.
void append_bytes_of(const std::string& token, std::string* bytes) {
  std::string spelled;
  for (size_t at = 0; at < token.size();) {
    const CodePoint c = code_point_at(token, at);
    const int byte = byte_of_letter(c.value);
    if (byte < 0) {
      bytes->append(token);
      return;
    }
    spelled.push_back(static_cast<char>(byte));
    at += c.length;
  }
  bytes->append(spelled);
}

std::string normalized(std::string_view text) {
  return lower_case(collapse_white_space(nfc(text)));
}

/// The end of the word that begins at `at`, which is not white space, by the expression
///   's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
size_t word_end(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  for (std::string_view literal : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (rest.starts_with(literal)) return at + literal.size();
  }
  const CodePoint first = code_point_at(text, at);
  size_t end = at + first.length;
  if (is_number(first.value)) return end;
  const bool letters = is_letter(first.value);
  while (end < text.size()) {
    const CodePoint c = code_point_at(text, end);
    if (is_letter(c.value) != letters) break;
    if (!letters && (is_number(c.value) || is_white_space(c.value))) break;
    end += c.length;
  }
  return end;
}

/// The special token that `text` begins with, or "". CLIP's expression begins with these two as
/// further alternatives, but ByteLevel's expression, applied to each match, cuts them into three
/// words.
std::string_view spelled_special_token(std::string_view text) {
  for (std::string_view token : {"<|startoftext|>", "<|endoftext|>"}) {
    if (text.starts_with(token)) return token;
  }
  return {};
}

template <typename Function>
void for_each_word(std::string_view text, const Function& function) {
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const std::string_view special = spelled_special_token(text.substr(at));
    if (is_white_space(c.value)) {
      at += c.length;
    } else if (!special.empty()) {
      function(special.substr(0, 2));
      function(special.substr(2, special.size() - 4));
      function(special.substr(special.size() - 2));
      at += special.size();
    } else {
      const size_t end = word_end(text, at);
      function(text.substr(at, end - at));
      at = end;
    }
  }
}

}  // namespace

ClipTokenizer::ClipTokenizer(const std::filesystem::path& directory)
    : ClipTokenizer(directory, read_bpe_files(directory)) {}

ClipTokenizer::ClipTokenizer(const std::filesystem::path& directory, BpeFiles files)
    : settings_(read_tokenizer_settings(directory, {kClipSpecialTokens}, files.tokenizer_json)),
      vocabulary_(std::move(files.tokens), files.tokens_source),
      merges_(files.merges, vocabulary_, files.merges_source),
      added_(settings_.added, vocabulary_, normalized, settings_.split_special_tokens,
             settings_.source),
      bos_(id_of_named_token(settings_, added_, "bos_token")),
      eos_(id_of_named_token(settings_, added_, "eos_token")),
      pad_(id_of_named_token(settings_, added_, "pad_token")) {
  const auto unknown = vocabulary_.find(settings_.named.at("unk_token"));
  const auto id_of = [&](std::string token) {
    const auto id = vocabulary_.find(token);
    if (!id && !unknown) {
      throw bad_data(files.tokens_source, "lacks the byte token ", quoted(token),
                     " and has no unk_token instead");
    }
    return id ? *id : *unknown;
  };
  for (int byte = 0; byte < 256; ++byte) {
    std::string letter;
    append_utf8(letter_of_byte(byte), &letter);
    byte_ids_[static_cast<size_t>(byte)] = id_of(letter);
    last_byte_ids_[static_cast<size_t>(byte)] = id_of(letter.append(kEndOfWord));
  }
}

void ClipTokenizer::append_word(std::string_view word, std::vector<int64_t>* ids) const {
  const std::string key(word);
  const bool cached = word.size() <= kLongestCachedWord;
  if (cached) {
    const std::lock_guard<std::mutex> lock(cache_mutex_);
    auto found = cache_.find(key);
    if (found != cache_.end()) {
      ids->insert(ids->end(), found->second.begin(), found->second.end());
      return;
    }
  }
  std::vector<int64_t> symbols;
  symbols.reserve(word.size());
  for (char c : word) symbols.push_back(byte_ids_[static_cast<unsigned char>(c)]);
  symbols.back() = last_byte_ids_[static_cast<unsigned char>(word.back())];
  merges_.apply(&symbols);
  ids->insert(ids->end(), symbols.begin(), symbols.end());
  if (!cached) return;
  const std::lock_guard<std::mutex> lock(cache_mutex_);
  if (cache_.size() < kMostCachedWords) cache_.emplace(key, std::move(symbols));
}

TokenizedText ClipTokenizer::encode(std::string_view text) const {
  std::vector<int64_t> ids;
  for (const TextPiece& piece : added_.split(valid_utf8(text))) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
    } else {
      for_each_word(piece.text, [&](std::string_view word) { append_word(word, &ids); });
    }
  }
  return frame(ids, {bos_, eos_, pad_}, settings_,
               [this](const std::vector<int64_t>& removed) { return decode(removed); });
}

std::string ClipTokenizer::decode(const std::vector<int64_t>& ids) const {
  std::string bytes;
  for (int64_t id : ids) {
    const std::string* token = added_.shown(id);
    if (token == nullptr) token = vocabulary_.token(id);
    if (token != nullptr) append_bytes_of(*token, &bytes);
  }
  const std::string spelled = valid_utf8(bytes);
  std::string text;
  for (size_t at = 0; at < spelled.size();) {
    const size_t end = std::min(spelled.find(kEndOfWord, at), spelled.size());
    text.append(spelled, at, end - at);
    if (end < spelled.size()) text.push_back(' ');
    at = end + kEndOfWord.size();
  }
  return std::string(python_strip(text));
}

}  // namespace sdxl
