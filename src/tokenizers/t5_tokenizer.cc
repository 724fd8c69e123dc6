#include "tokenizers/t5_tokenizer.h"

#include <openssl/evp.h>

#include "base/error.h"
#include "base/files/files.h"
#include "base/text.h"
#include "tokenizers/bpe_files.h"
#include "tokenizers/model_proto.h"
#include "tokenizers/padding.h"
#include "tokenizers/unicode.h"

namespace sdxl {
namespace {

constexpr std::string_view kWordMark = "\u2581";
constexpr int64_t kUnknownId = 2;
constexpr int64_t kMostExtraIds = 10000;
constexpr uint64_t kLargestModel = uint64_t{64} << 20;
const std::map<std::string, std::string> kT5SpecialTokens = {
    {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}};

std::string extra_id(int64_t number) { return str("<extra_id_", number, ">"); }

int64_t number_of_extra_ids(const std::filesystem::path& directory) {
  const auto path = directory / "tokenizer_config.json";
  if (!fs::exists(path)) return 100;
  const auto count = json_value<int64_t>(read_json(path), "extra_ids", 100, path.string());
  if (count < 0 || count > kMostExtraIds) {
    throw bad_data(path.string(), "extra_ids must be from 0 to ", kMostExtraIds);
  }
  return count;
}

std::string decode_base64(const std::string& text, const std::string& source) {
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0 || text.size() % 4 != 0) {
    throw bad_data(source, "its precompiled_charsmap is not base64");
  }
  // OpenSSL decodes padding to zero bytes.
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  bytes.resize(static_cast<size_t>(size) - padding);
  return bytes;
}

/// The charsmap of the normaliser of type Precompiled, alone or in a sequence; "" without one.
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

std::string model_proto_of(const Json& document, const std::string& source) {
  const Json* model =
      document.is_object() && document.contains("model") ? &document["model"] : nullptr;
  if (model == nullptr || !model->is_object() || !model->contains("vocab") ||
      !(*model)["vocab"].is_array()) {
    throw bad_data(source, "has no unigram model");
  }
  std::vector<std::pair<std::string, double>> pieces;
  for (const Json& piece : (*model)["vocab"]) {
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number()) {
      throw bad_data(source, "piece ", pieces.size(), " is not a text with a score");
    }
    pieces.emplace_back(piece[0].get<std::string>(), piece[1].get<double>());
  }
  const std::string charsmap =
      document.contains("normalizer") ? charsmap_of(document["normalizer"], source) : "";
  return unigram_model_proto(pieces, kUnknownId, charsmap, source);
}

T5Files read_t5_files(const std::filesystem::path& directory) {
  T5Files files;
  files.extra_ids = number_of_extra_ids(directory);
  const auto json = directory / "tokenizer.json";
  if (fs::exists(json)) {
    files.source = json.string();
    files.tokenizer_json = read_tokenizer_json(json).tokenizer_json;
    files.model_proto = model_proto_of(files.tokenizer_json, files.source);
    return files;
  }
  for (const char* name : {"tokenizer.model", "spiece.model"}) {
    const auto path = directory / name;
    if (!fs::exists(path)) continue;
    files.source = path.string();
    files.model_proto = model_proto_for_encoding(read_file(path, kLargestModel), files.source);
    return files;
  }
  throw bad_data(directory.string(),
                 "holds no tokenizer.json, "
                 "spiece.model or tokenizer.model");
}

/// tokenizer.json lists the extra ids among its pieces; a .model does not, so they follow its end.
Vocabulary vocabulary_of(const SentencePieceModel& model, const T5Files& files) {
  std::vector<std::pair<std::string, int64_t>> tokens;
  for (int64_t id = 0; id < model.size(); ++id) tokens.emplace_back(model.piece(id), id);
  if (files.tokenizer_json.is_null()) {
    for (int64_t i = 0; i < files.extra_ids; ++i) {
      tokens.emplace_back(extra_id(i), model.size() + files.extra_ids - 1 - i);
    }
  }
  return Vocabulary(std::move(tokens), files.source);
}

ClassTokens class_tokens_of(const SentencePieceModel& model, const T5Files& files) {
  ClassTokens tokens = {kT5SpecialTokens, {}, files.tokenizer_json.is_null()};
  const auto add = [&](const std::string& content) {
    tokens.extra.push_back({content, false, false, false, true});
  };
  for (int64_t id = 0; id < model.size(); ++id) {
    if (model.is_control(id)) add(model.piece(id));
  }
  for (int64_t i = 0; i < files.extra_ids; ++i) add(extra_id(i));
  return tokens;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(from, at), text.size());
    result.append(text, at, end - at);
    if (end < text.size()) result.append(to);
    at = end + from.size();
  }
  return result;
}

/// Removes the space before punctuation, as transformers' clean_up_tokenization does.
std::string cleaned_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kReplacements) text = replaced(text, from, to);
  return text;
}

}  // namespace

T5Tokenizer::T5Tokenizer(const std::filesystem::path& directory)
    : T5Tokenizer(directory, read_t5_files(directory)) {}

T5Tokenizer::T5Tokenizer(const std::filesystem::path& directory, const T5Files& files)
    : model_(files.model_proto, files.source),
      vocabulary_(vocabulary_of(model_, files)),
      settings_(
          read_tokenizer_settings(directory, class_tokens_of(model_, files), files.tokenizer_json)),
      added_(
          settings_.added, vocabulary_, [](std::string_view text) { return std::string(text); },
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
      model_.encode(piece.text, &ids);
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
    if (token == nullptr) token = vocabulary_.token(id);
    if (token == nullptr) continue;
    text.append(replaced(*token, kWordMark, first ? "" : " "));
    first = false;
  }
  text = valid_utf8(text);
  return clean_up_ ? cleaned_up(std::move(text)) : text;
}

}  // namespace sdxl
