#include "tokenizers/settings.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr const char* kNamedTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
constexpr int64_t kLongestModel = 65536;

/// A token as a file gives it: plain text, or with properties.
struct GivenToken {
  std::string content;
  bool plain = true;
  bool lstrip = false, rstrip = false, special = false;
  std::optional<bool> normalized;

  AddedToken resolved() const {
    return {content, lstrip, rstrip, normalized.value_or(!special), special};
  }
  bool operator==(const GivenToken& other) const {
    return plain == other.plain &&
           (plain ? content == other.content : resolved() == other.resolved());
  }
};

/// The tokens of what transformers calls init_kwargs.
struct Gathered {
  std::map<std::string, std::optional<GivenToken>> named;
  std::vector<std::string> model_specific;  ///< Names beyond kNamedTokens, in order.
  std::map<int64_t, GivenToken> decoder;
  std::optional<std::vector<GivenToken>> extra, additional;
};

GivenToken token_with_properties(const Json& json, const std::string& source) {
  if (!json.is_object() || !json.contains("content") || !json["content"].is_string()) {
    throw bad_data(source, "an added token must be an object with a text \"content\"");
  }
  GivenToken token;
  token.plain = false;
  token.content = json["content"].get<std::string>();
  if (json_value(json, "single_word", false, source)) {
    throw bad_data(source, "added token ", quoted(token.content),
                   " has single_word true, which is not supported; set it to false");
  }
  token.lstrip = json_value(json, "lstrip", false, source);
  token.rstrip = json_value(json, "rstrip", false, source);
  token.special = json_value(json, "special", false, source);
  if (json.contains("normalized")) token.normalized = json_value(json, "normalized", true, source);
  return token;
}

GivenToken plain_token(const std::string& text) {
  GivenToken token;
  token.content = text;
  return token;
}

bool is_marked_token(const Json& json) {
  auto type = json.is_object() ? json.find("__type") : json.end();
  return json.is_object() && type != json.end() && *type == "AddedToken";
}

/// Accepts text, or an object marked with "__type": "AddedToken".
GivenToken token_of(const Json& json, const std::string& name, const std::string& source) {
  if (json.is_string()) return plain_token(json.get<std::string>());
  if (is_marked_token(json)) return token_with_properties(json, source);
  throw bad_data(source, quoted(name), " must be text or an AddedToken object");
}

std::vector<GivenToken> token_list(const Json& json, const std::string& name,
                                   const std::string& source) {
  if (!json.is_array()) throw bad_data(source, quoted(name), " must be a list of tokens");
  std::vector<GivenToken> tokens;
  for (const Json& item : json) tokens.push_back(token_of(item, name, source));
  return tokens;
}

void add_model_specific(Gathered* gathered, const std::string& name, GivenToken token) {
  if (!gathered->named.contains(name)) gathered->model_specific.push_back(name);
  gathered->named[name] = std::move(token);
}

bool is_named(const std::string& key) {
  return std::find(std::begin(kNamedTokens), std::end(kNamedTokens), key) != std::end(kNamedTokens);
}

void gather_extra(const Json& json, const std::string& source, Gathered* gathered) {
  if (json.is_null()) {
    gathered->extra.emplace();
  } else if (json.is_object()) {
    for (const auto& [name, value] : json.items()) {
      add_model_specific(gathered, name, token_of(value, name, source));
    }
  } else {
    gathered->extra = token_list(json, "extra_special_tokens", source);
  }
}

void gather_config(const Json& config, const std::string& source, Gathered* gathered) {
  for (const auto& [key, value] : config.items()) {
    if (is_named(key)) {
      gathered->named[key] =
          value.is_null() ? std::nullopt : std::optional(token_of(value, key, source));
    } else if (key.ends_with("_token") && value.is_string()) {
      add_model_specific(gathered, key, plain_token(value.get<std::string>()));
    }
  }
  if (config.contains("extra_special_tokens")) {
    gather_extra(config["extra_special_tokens"], source, gathered);
  } else if (config.contains("additional_special_tokens")) {
    gather_extra(config["additional_special_tokens"], source, gathered);
  }
}

int64_t index_of(const std::string& text, const std::string& source) {
  const bool digits =
      !text.empty() && text.size() < 10 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) {
    throw bad_data(source, "added_tokens_decoder has the key ", quoted(text),
                   ", which is not a token id");
  }
  return std::stoll(text);
}

void gather_special_tokens_map(const Json& map, const std::string& source, Gathered* gathered) {
  for (const auto& [key, value] : map.items()) {
    if (key == "extra_special_tokens") {
      std::vector<GivenToken> all = gathered->extra.value_or(std::vector<GivenToken>{});
      for (const Json& item : value) {
        GivenToken token =
            item.is_object() ? token_with_properties(item, source) : token_of(item, key, source);
        token.special = token.special || item.is_object();
        if (std::find(all.begin(), all.end(), token) == all.end()) all.push_back(token);
      }
      gathered->extra = std::move(all);
    } else if (key == "additional_special_tokens") {
      gathered->additional = token_list(value, key, source);
    } else if (value.is_object()) {
      GivenToken token = token_with_properties(value, source);
      token.special = true;
      if (is_named(key)) {
        gathered->named[key] = token;
      } else {
        add_model_specific(gathered, key, token);
      }
    } else if (is_named(key)) {
      gathered->named[key] =
          value.is_null() ? std::nullopt : std::optional(token_of(value, key, source));
    } else if (value.is_string() && key.ends_with("_token")) {
      add_model_specific(gathered, key, plain_token(value.get<std::string>()));
    }
  }
}

bool is_special_text(const Gathered& gathered, const std::string& content) {
  for (const char* name : kNamedTokens) {
    auto found = gathered.named.find(name);
    if (found != gathered.named.end() && found->second && found->second->content == content) {
      return true;
    }
  }
  if (!gathered.extra) return false;
  return std::any_of(gathered.extra->begin(), gathered.extra->end(),
                     [&](const GivenToken& token) { return token.content == content; });
}

void gather_added_tokens_file(const Json& file, const std::string& source, Gathered* gathered) {
  for (const auto& [content, id] : file.items()) {
    if (!id.is_number_integer()) {
      throw bad_data(source, "the id of ", quoted(content), " must be an integer");
    }
    GivenToken token = plain_token(content);
    token.plain = false;
    token.special = is_special_text(*gathered, token.content);
    token.normalized = !token.special;
    gathered->decoder[id.get<int64_t>()] = token;
  }
}

void gather_tokenizer_json(const Json& tokenizer_json, const std::string& source,
                           Gathered* gathered) {
  if (!tokenizer_json.contains("added_tokens")) return;
  for (const Json& item : tokenizer_json["added_tokens"]) {
    GivenToken token = token_with_properties(item, source);
    if (!item.contains("id") || !item["id"].is_number_integer()) {
      throw bad_data(source, "added token ", quoted(token.content), " has no id");
    }
    gathered->decoder[item["id"].get<int64_t>()] = token;
  }
}

/// Reads the files that transformers reads when tokenizer_config.json has no added_tokens_decoder.
void gather_older_files(const std::filesystem::path& directory, const Json& tokenizer_json,
                        Gathered* gathered) {
  const auto map_path = directory / "special_tokens_map.json";
  if (std::filesystem::exists(map_path)) {
    const Json map = read_json(map_path);
    if (!map.is_object()) throw bad_data(map_path.string(), "must be a JSON object");
    gather_special_tokens_map(map, map_path.string(), gathered);
  }
  const auto added_path = directory / "added_tokens.json";
  if (std::filesystem::exists(added_path)) {
    const Json added = read_json(added_path);
    if (!added.is_object()) throw bad_data(added_path.string(), "must be a JSON object");
    gather_added_tokens_file(added, added_path.string(), gathered);
  }
  if (!tokenizer_json.is_null()) {
    gather_tokenizer_json(tokenizer_json, (directory / "tokenizer.json").string(), gathered);
  }
}

/// All tokens as one list, as TokenizersBackend.__init__ makes it.
std::vector<AddedToken> in_order_of_adding(const Gathered& gathered) {
  std::vector<GivenToken> tokens;
  std::vector<std::string> contents, named_contents;
  for (const auto& [id, token] : gathered.decoder) {
    tokens.push_back(token);
    contents.push_back(token.content);
  }
  const auto add = [&](const GivenToken& token) {
    if (std::find(contents.begin(), contents.end(), token.content) != contents.end()) return;
    if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
  };
  std::vector<std::string> names(std::begin(kNamedTokens), std::end(kNamedTokens));
  names.insert(names.end(), gathered.model_specific.begin(), gathered.model_specific.end());
  for (const std::string& name : names) {
    auto found = gathered.named.find(name);
    if (found == gathered.named.end() || !found->second) continue;
    named_contents.push_back(found->second->content);
    add(*found->second);
  }
  const auto& extra = gathered.extra ? gathered.extra : gathered.additional;
  if (extra) std::for_each(extra->begin(), extra->end(), add);

  std::vector<AddedToken> result;
  for (GivenToken& token : tokens) {
    const bool named = std::find(named_contents.begin(), named_contents.end(), token.content) !=
                       named_contents.end();
    if (token.plain || named) token.special = true;
    result.push_back(token.resolved());
  }
  return result;
}

bool side_is_left(const Json& config, const char* key, const Json& tokenizer_json,
                  const char* section, const std::string& source) {
  std::string side = json_value<std::string>(config, key, "", source);
  if (side.empty() && tokenizer_json.is_object() && tokenizer_json.contains(section) &&
      tokenizer_json[section].is_object()) {
    side = json_value<std::string>(tokenizer_json[section], "direction", "", "tokenizer.json");
    std::transform(side.begin(), side.end(), side.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  }
  if (!side.empty() && side != "left" && side != "right") {
    throw bad_data(source, key, " is ", quoted(side), "; it must be left or right");
  }
  return side == "left";
}

int64_t read_length(const Json& config, const std::string& source) {
  const char* key = config.contains("model_max_length") ? "model_max_length" : "max_len";
  auto length = config.find(key);
  if (length == config.end() || !length->is_number() ||
      !(length->get<double>() >= 3 && length->get<double>() <= kLongestModel)) {
    throw bad_data(source, "model_max_length must be an integer from 3 to ", kLongestModel,
                   ", the number of tokens that the text encoder takes (77 for CLIP)");
  }
  return json_value<int64_t>(config, key, 0, source);
}

/// Gives named tokens the properties that added_tokens_decoder has for them.
void use_properties_of_decoder(Gathered* gathered) {
  for (auto& [name, token] : gathered->named) {
    if (!is_named(name) || !token) continue;
    for (const auto& [id, decoded] : gathered->decoder) {
      if (decoded.content == token->content) token = decoded;
    }
  }
}

void add_class_tokens(const ClassTokens& tokens, Gathered* gathered) {
  for (const auto& [name, content] : tokens.named) {
    if (!gathered->named.contains(name)) gathered->named[name] = plain_token(content);
  }
  if (tokens.extra.empty()) return;
  if (!gathered->additional || tokens.extra_replaces) gathered->additional.emplace();
  for (const AddedToken& token : tokens.extra) {
    gathered->additional->push_back(
        {token.content, false, token.lstrip, token.rstrip, token.special, token.normalized});
  }
}

Gathered gather(const std::filesystem::path& directory, const TokenizerSettings& settings,
                const Json& tokenizer_json) {
  Gathered gathered;
  gather_config(settings.config, settings.source, &gathered);
  if (!settings.config.contains("added_tokens_decoder")) {
    gather_older_files(directory, tokenizer_json, &gathered);
    return gathered;
  }
  for (const auto& [id, token] : settings.config["added_tokens_decoder"].items()) {
    gathered.decoder[index_of(id, settings.source)] = token_with_properties(token, settings.source);
  }
  return gathered;
}

}  // namespace

TokenizerSettings read_tokenizer_settings(const std::filesystem::path& directory,
                                          const ClassTokens& class_tokens,
                                          const Json& tokenizer_json) {
  TokenizerSettings settings;
  const auto path = directory / "tokenizer_config.json";
  settings.source = path.string();
  settings.config = std::filesystem::exists(path) ? read_json(path) : Json::object();
  if (!settings.config.is_object()) throw bad_data(settings.source, "must be a JSON object");
  const Json& config = settings.config;
  const std::string& source = settings.source;
  settings.tokenizer_class = json_value<std::string>(config, "tokenizer_class", "", source);
  settings.model_max_length = read_length(config, source);

  Gathered gathered = gather(directory, settings, tokenizer_json);
  use_properties_of_decoder(&gathered);
  add_class_tokens(class_tokens, &gathered);
  settings.added = in_order_of_adding(gathered);
  for (const auto& [name, token] : gathered.named) {
    if (token) settings.named[name] = token->content;
  }
  settings.pad_left = side_is_left(config, "padding_side", tokenizer_json, "padding", source);
  settings.truncate_left =
      side_is_left(config, "truncation_side", tokenizer_json, "truncation", source);
  settings.split_special_tokens = json_value(config, "split_special_tokens", false, source);
  return settings;
}

int64_t id_of_named_token(const TokenizerSettings& settings, const AddedTokens& added,
                          const std::string& name) {
  const auto token = settings.named.find(name);
  if (token == settings.named.end()) throw bad_data(settings.source, name, " must not be null");
  return *added.find(token->second);  // Every named token has been added.
}

}  // namespace sdxl
