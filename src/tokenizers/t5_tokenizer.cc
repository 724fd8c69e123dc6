// T5Tokenizer: normalise, split at white space, put a mark before each word, cut it into pieces.
#include "tokenizers/t5_tokenizer.h"

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "tokenizers/base64.h"
#include "tokenizers/bpe_files.h"
#include "tokenizers/padding.h"
#include "tokenizers/sentencepiece_file.h"
#include "tokenizers/unicode.h"

namespace sdxl {
namespace {

constexpr std::string_view kWordMark = "\u2581";
constexpr int64_t kUnknownId = 2;
constexpr int64_t kMostExtraIds = 10000;
constexpr uint64_t kLargestModel = uint64_t{64} << 20;
const std::map<std::string, std::string> kT5SpecialTokens = {
    {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}};

int64_t extra_ids(const std::filesystem::path& directory) {
  const auto path = directory / "tokenizer_config.json";
  if (!fs::exists(path)) return 100;
  const auto count = json_value<int64_t>(read_json(path), "extra_ids", 100, path.string());
  if (count < 0 || count > kMostExtraIds) {
    throw Error(ExitStatus::kBadData,
                str(path.string(), ": extra_ids must be from 0 to ", kMostExtraIds));
  }
  return count;
}

void add_extra_ids(int64_t count, T5Files* files) {
  for (int64_t i = 0; i < count; ++i) {
    files->class_tokens.extra.push_back({str("<extra_id_", i, ">"), false, false, false, true});
  }
}

T5Files files_of_model(const std::filesystem::path& path) {
  const SentencePieceFile model =
      parse_sentencepiece(read_file(path, kLargestModel), path.string());
  if (model.model != SentencePieceFile::Model::kUnigram) {
    throw Error(ExitStatus::kBadData, str(path.string(),
                                          ": is no unigram model, which T5Tokenizer "
                                          "needs; train it with model_type unigram"));
  }
  T5Files files;
  files.source = path.string();
  files.precompiled_charsmap = model.precompiled_charsmap;
  files.class_tokens = {kT5SpecialTokens, {}, true};
  for (const SentencePieceFile::Piece& piece : model.pieces) {
    files.pieces.emplace_back(piece.text, piece.score);
    const bool control = piece.type == SentencePieceFile::Type::kControl;
    if (control || piece.type == SentencePieceFile::Type::kUserDefined) {
      files.class_tokens.extra.push_back({piece.text, false, false, false, control});
    }
  }
  const int64_t count = extra_ids(path.parent_path());
  for (int64_t i = count; i-- > 0;) files.pieces.emplace_back(str("<extra_id_", i, ">"), 0.0);
  add_extra_ids(count, &files);
  return files;
}

// The normaliser of kind "Precompiled", alone or in a sequence.
std::string charsmap_of(const Json& normalizer, const std::string& source) {
  if (normalizer.is_object() && normalizer.contains("normalizers")) {
    return charsmap_of(normalizer["normalizers"], source);
  }
  const Json list = normalizer.is_array() ? normalizer : Json::array({normalizer});
  for (const Json& item : list) {
    if (!item.is_object() || json_value<std::string>(item, "type", "", source) != "Precompiled") {
      continue;
    }
    return decode_base64(json_value<std::string>(item, "precompiled_charsmap", "", source), source);
  }
  return "";
}

T5Files files_of_json(const std::filesystem::path& path) {
  T5Files files;
  files.source = path.string();
  files.tokenizer_json = read_tokenizer_json(path).tokenizer_json;
  const Json& document = files.tokenizer_json;
  const Json* model =
      document.is_object() && document.contains("model") ? &document["model"] : nullptr;
  if (model == nullptr || !model->is_object() || !model->contains("vocab") ||
      !(*model)["vocab"].is_array()) {
    throw Error(ExitStatus::kBadData, str(files.source, ": has no unigram model"));
  }
  for (const Json& piece : (*model)["vocab"]) {
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number()) {
      throw Error(ExitStatus::kBadData,
                  str(files.source, ": piece ", files.pieces.size(), " is no text with a score"));
    }
    files.pieces.emplace_back(piece[0].get<std::string>(), piece[1].get<double>());
  }
  if (document.contains("normalizer")) {
    files.precompiled_charsmap = charsmap_of(document["normalizer"], files.source);
  }
  files.class_tokens = {kT5SpecialTokens, {}, false};
  add_extra_ids(extra_ids(path.parent_path()), &files);
  return files;
}

T5Files read_files(const std::filesystem::path& directory) {
  if (fs::exists(directory / "tokenizer.json")) return files_of_json(directory / "tokenizer.json");
  for (const char* name : {"tokenizer.model", "spiece.model"}) {
    if (fs::exists(directory / name)) return files_of_model(directory / name);
  }
  throw Error(ExitStatus::kBadData, str(directory.string(),
                                        ": holds no tokenizer.json, "
                                        "spiece.model or tokenizer.model"));
}

// White space before punctuation taken out, as transformers' clean_up_tokenization does.
std::string cleaned_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kReplacements) {
    std::string result;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find(from, at), text.size());
      result.append(text, at, end - at);
      if (end < text.size()) result.append(to);
      at = end + from.size();
    }
    text = std::move(result);
  }
  return text;
}

// Calls `function` with each word: stretches between white space with a mark before them, cut again
// before each mark.
template <typename Function>
void for_each_marked_word(std::string_view text, const Function& function) {
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) function(word);
    word.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const std::string_view part = text.substr(at, c.length);
    at += c.length;
    if (is_white_space(c.value) || part == kWordMark) finish();
    if (is_white_space(c.value)) continue;
    if (word.empty() && part != kWordMark) word = kWordMark;
    word.append(part);
  }
  finish();
}

}  // namespace

T5Tokenizer::T5Tokenizer(const std::filesystem::path& directory)
    : T5Tokenizer(directory, read_files(directory)) {}

T5Tokenizer::T5Tokenizer(const std::filesystem::path& directory, T5Files files)
    : settings_(read_tokenizer_settings(directory, files.class_tokens, files.tokenizer_json)),
      characters_(files.precompiled_charsmap, files.source),
      model_(files.pieces, kUnknownId, files.source),
      added_(
          settings_.added, model_.vocabulary(),
          [this](std::string_view text) { return characters_.apply(text); },
          settings_.split_special_tokens, settings_.source),
      eos_(id_of_named_token(settings_, added_, "eos_token")),
      pad_(id_of_named_token(settings_, added_, "pad_token")),
      clean_up_(
          json_value(settings_.config, "clean_up_tokenization_spaces", false, settings_.source)) {}

TokenizedText T5Tokenizer::encode(std::string_view text) const {
  std::vector<int64_t> ids;
  for (const TextPiece& piece : added_.split(valid_utf8(text))) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
    } else {
      for_each_marked_word(piece.text, [&](std::string_view word) { model_.encode(word, &ids); });
    }
  }
  return frame(ids, {std::nullopt, eos_, pad_}, settings_,
               [this](const std::vector<int64_t>& removed) { return decode(removed); });
}

std::string T5Tokenizer::decode(const std::vector<int64_t>& ids) const {
  std::string text;
  bool first = true;
  for (int64_t id : ids) {
    const std::string* token = added_.shown(id);
    if (token == nullptr) token = model_.vocabulary().token(id);
    if (token == nullptr) continue;
    for (size_t at = 0; at < token->size();) {
      const std::string_view part =
          std::string_view(*token).substr(at, code_point_at(*token, at).length);
      at += part.size();
      if (part != kWordMark) {
        text.append(part);
      } else if (!first) {
        text.push_back(' ');
      }
    }
    first = false;
  }
  return clean_up_ ? cleaned_up(std::move(text)) : text;
}

}  // namespace sdxl
