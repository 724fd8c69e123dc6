// sdxl tokenize: the token ids of each line of a file, and what falls off past the model's length.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "commands/command.h"
#include "config/validation.h"
#include "hub/resolve.h"
#include "tokenizers/tokenizer.h"

namespace sdxl {
namespace {

std::unique_ptr<Tokenizer> tokenizer_of(const fs::path& model, const char* part) {
  if (!fs::exists(model)) {
    throw Error(ExitStatus::kFileError,
                str("--pretrained_model_name_or_path ", quoted(model.string()), ": not found"));
  }
  if (!fs::is_directory(model / part)) {
    throw Error(ExitStatus::kBadData,
                str("--pretrained_model_name_or_path ", quoted(model.string()), ": has no ", part,
                    "/; give a directory of diffusers' layout"));
  }
  return load_tokenizer(model / part);
}

std::string read_input(const std::string& name) {
  if (name != "-") return read_file(name);
  std::ios::sync_with_stdio(false);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

void append_ids(const std::vector<int64_t>& ids, std::string* out) {
  out->push_back('[');
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) out->push_back(',');
    out->append(std::to_string(ids[i]));
  }
  out->push_back(']');
}

void append_truncated(const char* key, const TokenizedText& text, std::string* out) {
  if (text.truncated_tokens == 0) return;
  out->append(str(",\"", key, "\":")).append(one_line(text.truncated));
}

class TokenizeCommand : public Command {
 public:
  std::string summary() const override {
    return "print the token ids of each line of a file, and the text that is cut off";
  }
  OptionSet& options() override { return options_; }

  void validate() override { validate_tokenize_config(config_); }

  ExitStatus run() override {
    fs::path model = config_.pretrained_model_name_or_path;
    if (!fs::exists(model) && is_repository_id(model.string())) {
      model = resolve_repository(model.string(), RepositoryKind::kModel,
                                 model_parts({"tokenizer", "tokenizer_2"}, ""),
                                 hub_options_from_environment());
    }
    tokenizer_ = tokenizer_of(model, "tokenizer");
    tokenizer_2_ = tokenizer_of(model, "tokenizer_2");
    const std::string input = read_input(config_.input);
    const std::vector<std::string_view> lines = lines_of(input);
    // In stretches, so that the output begins early and is never held whole.
    constexpr size_t kStretch = 4096;
    for (size_t begin = 0; begin < lines.size(); begin += kStretch) {
      write_stretch(lines, begin, std::min(begin + kStretch, lines.size()));
    }
    return ExitStatus::kDone;
  }

 private:
  std::string line_of_output(std::string_view text) const {
    const TokenizedText first = tokenizer_->encode(text), second = tokenizer_2_->encode(text);
    std::string out = "{\"ids\":";
    append_ids(first.ids, &out);
    out += ",\"ids_2\":";
    append_ids(second.ids, &out);
    append_truncated("truncated", first, &out);
    append_truncated("truncated_2", second, &out);
    return out += "}\n";
  }

  void write_stretch(const std::vector<std::string_view>& lines, size_t begin, size_t end) const {
    const size_t wanted = config_.num_threads > 0 ? static_cast<size_t>(config_.num_threads)
                                                  : std::thread::hardware_concurrency();
    const size_t count = std::clamp<size_t>((end - begin) / 64, 1, std::max<size_t>(wanted, 1));
    std::vector<std::string> outputs(count);
    std::vector<std::exception_ptr> failures(count);
    const auto work = [&](size_t part) {
      try {
        const size_t first = begin + (end - begin) * part / count;
        const size_t last = begin + (end - begin) * (part + 1) / count;
        for (size_t i = first; i < last; ++i) outputs[part] += line_of_output(lines[i]);
      } catch (...) {
        failures[part] = std::current_exception();
      }
    };
    std::vector<std::jthread> threads;
    for (size_t part = 1; part < count; ++part) threads.emplace_back(work, part);
    work(0);
    threads.clear();
    for (size_t part = 0; part < count; ++part) {
      if (failures[part]) std::rethrow_exception(failures[part]);
      std::cout << outputs[part];
    }
  }

  TokenizeConfig config_;
  OptionSet options_{tokenize_table(config_)};
  std::unique_ptr<Tokenizer> tokenizer_, tokenizer_2_;
};

}  // namespace

std::unique_ptr<Command> make_tokenize_command() { return std::make_unique<TokenizeCommand>(); }

}  // namespace sdxl
