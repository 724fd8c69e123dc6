#include "tokenizers/bpe_files.h"

#include "base/error.h"
#include "base/files/files.h"
#include "base/text.h"
#include "base/utf8.h"

namespace sdxl {
namespace {

constexpr uint64_t kLargestFile = uint64_t{256} << 20;
constexpr size_t kDeepest = 64;
constexpr size_t kMostKeys = 4096;

/// Splits a merge of merges.txt. `line` is 0 for tokenizer.json.
std::pair<std::string, std::string> split_merge(std::string_view text, const std::string& source,
                                                size_t line) {
  const size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
    const std::string where = line > 0 ? str(source, ", line ", line) : source;
    throw bad_data(where, quoted(text), " is not two tokens with a space between them");
  }
  return {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

/// Reads vocab.json or tokenizer.json from the parser's events: the object of token ids and the
/// list of merges go to `files`, everything else to `document`. Both hold 10^5 entries, too many
/// for Json's ordered objects, whose lookup is linear.
class VocabularyReader : public nlohmann::json_sax<Json> {
 public:
  VocabularyReader(std::string source, bool only_vocabulary, BpeFiles* files)
      : source_(std::move(source)), only_vocabulary_(only_vocabulary), files_(files) {}

  Json document;

  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_float(double v, const std::string&) override { return value(v); }
  bool binary(binary_t&) override { refuse("binary data"); }
  bool number_integer(int64_t v) override { return integer(v); }
  bool number_unsigned(uint64_t v) override {
    return integer(v > uint64_t{INT64_MAX} ? INT64_MAX : static_cast<int64_t>(v));
  }

  bool string(std::string& v) override {
    if (mode_ != Mode::kMerges) return value(std::move(v));
    if (pair_open_) {
      pair_.push_back(std::move(v));
    } else {
      files_->merges.push_back(split_merge(v, source_, 0));
    }
    return true;
  }

  bool start_object(size_t) override {
    if (mode_ != Mode::kDocument) refuse("an object where a token's id or a merge is due");
    if (at_vocabulary()) {
      mode_ = Mode::kVocabulary;
      return true;
    }
    return open(Json::object());
  }

  bool end_object() override {
    if (mode_ == Mode::kVocabulary) {
      mode_ = Mode::kDocument;
    } else {
      stack_.pop_back();
    }
    return true;
  }

  bool start_array(size_t) override {
    if (mode_ == Mode::kVocabulary || pair_open_) refuse("a list where a token's id is due");
    if (mode_ == Mode::kMerges) {
      pair_open_ = true;
      return true;
    }
    if (at("merges")) {
      mode_ = Mode::kMerges;
      return true;
    }
    return open(Json::array());
  }

  bool end_array() override {
    if (mode_ == Mode::kDocument) {
      stack_.pop_back();
    } else if (pair_open_) {
      if (pair_.size() != 2) refuse("a merge that is not of two tokens");
      files_->merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
      pair_.clear();
      pair_open_ = false;
    } else {
      mode_ = Mode::kDocument;
    }
    return true;
  }

  bool key(std::string& name) override {
    key_ = std::move(name);
    if (mode_ == Mode::kDocument && stack_.back()->contains(key_)) {
      refuse(str("the key ", quoted(key_), " twice"));
    }
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    throw bad_data(source_, "not valid JSON: ", escaped(error.what()));
  }

 private:
  enum class Mode { kDocument, kVocabulary, kMerges };

  [[noreturn]] void refuse(const std::string& what) const {
    throw bad_data(source_, "holds ", what);
  }

  bool at(const char* name) const {
    return !only_vocabulary_ && stack_.size() == 2 && key_ == name && stack_[1] == model_;
  }
  bool at_vocabulary() const { return only_vocabulary_ ? stack_.empty() : at("vocab"); }

  bool integer(int64_t v) {
    if (mode_ != Mode::kVocabulary) return value(v);
    files_->tokens.emplace_back(key_, v);
    return true;
  }

  bool value(Json v) {
    if (mode_ == Mode::kVocabulary) {
      refuse(str("a token, ", quoted(key_), ", whose id is not an integer"));
    }
    if (mode_ == Mode::kMerges) refuse("a merge that is not text");
    place(std::move(v));
    return true;
  }

  Json* place(Json v) {
    if (stack_.empty()) {
      document = std::move(v);
      return &document;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(v));
      return &parent.back();
    }
    if (parent.size() >= kMostKeys) refuse("an object with too many keys");
    Json& member = parent[key_];
    member = std::move(v);
    return &member;
  }

  bool open(Json container) {
    if (stack_.size() >= kDeepest) refuse("values nested too deeply");
    const bool is_model = stack_.size() == 1 && stack_[0]->is_object() && key_ == "model";
    stack_.push_back(place(std::move(container)));
    if (is_model) model_ = stack_.back();
    return true;
  }

  std::string source_;
  bool only_vocabulary_;
  BpeFiles* files_;
  Mode mode_ = Mode::kDocument;
  std::string key_;
  std::vector<Json*> stack_;  ///< Open containers; a parent doesn't grow while a child is open.
  const Json* model_ = nullptr;
  bool pair_open_ = false;
  std::vector<std::string> pair_;
};

Json read_vocabulary(const std::filesystem::path& path, bool only_vocabulary, BpeFiles* files) {
  const std::string text = read_file(path, kLargestFile);
  VocabularyReader reader(path.string(), only_vocabulary, files);
  Json::sax_parse(text, &reader);
  return std::move(reader.document);
}

void read_merges(const std::filesystem::path& path, BpeFiles* files) {
  const std::string text = read_file(path, kLargestFile), source = path.string();
  if (!is_utf8(text)) {
    throw bad_data(source, "is not valid UTF-8");
  }
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = end + 1;
    ++number;
    if (line.starts_with("#version")) continue;
    files->merges.push_back(split_merge(line, source, number));
  }
}

}  // namespace

BpeFiles read_tokenizer_json(const std::filesystem::path& path) {
  BpeFiles files;
  files.tokens_source = files.merges_source = path.string();
  files.tokenizer_json = read_vocabulary(path, false, &files);
  return files;
}

BpeFiles read_bpe_files(const std::filesystem::path& directory) {
  BpeFiles files;
  const fs::path whole = directory / "tokenizer.json";
  if (fs::exists(whole)) {
    files = read_tokenizer_json(whole);
  } else {
    files.tokens_source = (directory / "vocab.json").string();
    files.merges_source = (directory / "merges.txt").string();
    read_vocabulary(directory / "vocab.json", true, &files);
    read_merges(directory / "merges.txt", &files);
  }
  if (files.tokens.empty()) {
    throw bad_data(files.tokens_source, "holds no tokens with their ids");
  }
  return files;
}

}  // namespace sdxl
