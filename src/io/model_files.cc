#include "io/model_files.h"

#include <algorithm>
#include <iomanip>
#include <iterator>

#include "base/text.h"

namespace sdxl {
namespace {

constexpr std::string_view kPickleSuffixes[] = {".bin", ".ckpt", ".pt", ".pth", ".pdparams"};
constexpr std::string_view kForeignSuffixes[] = {".msgpack", ".h5"};

template <size_t N>
bool has_suffix(std::string_view name, const std::string_view (&suffixes)[N]) {
  return std::any_of(std::begin(suffixes), std::end(suffixes),
                     [&](std::string_view suffix) { return name.ends_with(suffix); });
}

std::string dotted(const std::string& variant) { return variant.empty() ? "" : "." + variant; }

std::string five_digits(size_t number) { return str(std::setw(5), std::setfill('0'), number); }

/// `name` without a "-00001-of-00002" at its end.
std::string_view without_shard(std::string_view name) {
  constexpr size_t kLength = std::string_view("-00001-of-00002").size();
  if (name.size() < kLength) return name;
  const std::string_view shard = name.substr(name.size() - kLength);
  const bool found = shard[0] == '-' && shard.substr(6, 4) == "-of-";
  return found ? name.substr(0, name.size() - kLength) : name;
}

}  // namespace

const char* text_encoder_folder(int number) {
  return number == 1 ? kTextEncoderFolder : kTextEncoder2Folder;
}

const char* tokenizer_folder(int number) {
  return number == 1 ? kTokenizerFolder : kTokenizer2Folder;
}

std::string weights_file(const std::string& stem, const std::string& variant) {
  return stem + dotted(variant) + kSafetensorsSuffix;
}

std::string weights_index_file(const std::string& stem, const std::string& variant) {
  return stem + kSafetensorsSuffix + ".index" + dotted(variant) + ".json";
}

std::string weights_shard_file(const std::string& stem, size_t number, size_t count) {
  return stem + "-" + five_digits(number) + "-of-" + five_digits(count) + kSafetensorsSuffix;
}

std::optional<WeightsFileName> parse_weights_file(std::string_view name) {
  if (!is_safetensors(name)) return std::nullopt;
  name.remove_suffix(std::string_view(kSafetensorsSuffix).size());
  name = without_shard(name);
  const size_t dot = name.find('.');
  WeightsFileName parsed{std::string(without_shard(name.substr(0, dot))),
                         std::string(dot == name.npos ? "" : name.substr(dot + 1))};
  if (parsed.stem != kDiffusersStem && parsed.stem != kTransformersStem) return std::nullopt;
  return parsed;
}

bool is_safetensors(std::string_view name) { return name.ends_with(kSafetensorsSuffix); }

bool is_pickle(std::string_view name) { return has_suffix(name, kPickleSuffixes); }

bool is_foreign_weights(std::string_view name) {
  return is_pickle(name) || has_suffix(name, kForeignSuffixes);
}

std::string with_suffix(const std::string& file, const std::string& suffix) {
  const size_t dot = file.rfind('.');
  return dot == file.npos ? file + suffix : file.substr(0, dot) + suffix + file.substr(dot);
}

std::filesystem::path lora_weights_in(const std::filesystem::path& directory) {
  for (const char* name : {kLoraWeights, kPaddleLoraWeights}) {
    if (std::filesystem::exists(directory / name)) return directory / name;
  }
  return {};
}

}  // namespace sdxl
