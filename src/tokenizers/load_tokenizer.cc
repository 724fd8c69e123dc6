#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "tokenizers/clip_tokenizer.h"
#include "tokenizers/t5_tokenizer.h"
#include "tokenizers/tokenizer.h"

namespace sdxl {
namespace {

std::string class_named_by(const std::filesystem::path& directory) {
  const auto path = directory / "tokenizer_config.json";
  if (!std::filesystem::exists(path)) return "";
  const Json config = read_json(path);
  if (!config.is_object()) return "";
  return json_value<std::string>(config, "tokenizer_class", "", path.string());
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& directory) {
  const auto has = [&](const char* file) { return std::filesystem::exists(directory / file); };
  std::string name = class_named_by(directory);
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  const bool byte_pairs = has("tokenizer.json") || (has("vocab.json") && has("merges.txt"));
  if (name == "T5Tokenizer") return std::make_unique<T5Tokenizer>(directory);
  if (name.empty() && !byte_pairs && (has("spiece.model") || has("tokenizer.model"))) {
    throw bad_data(directory.string(),
                   "holds a SentencePiece model, but no tokenizer_config.json "
                   "that names its tokenizer_class; T5Tokenizer is supported");
  }
  if (!name.empty() && name != "CLIPTokenizer") {
    throw bad_data((directory / "tokenizer_config.json").string(), "tokenizer_class is ",
                   quoted(name), ", which is not supported; CLIPTokenizer and T5Tokenizer are");
  }
  if (!byte_pairs) {
    throw bad_data(directory.string(),
                   "holds no tokenizer: neither tokenizer.json nor "
                   "vocab.json with merges.txt");
  }
  return std::make_unique<ClipTokenizer>(directory);
}

}  // namespace sdxl
