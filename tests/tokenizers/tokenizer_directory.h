// A tokenizer's directory for one test: the small CLIP vocabulary of tests/data and JSON files.
#pragma once

#include <fstream>
#include <map>
#include <string>

#include "base/json.h"
#include "support/temporary_directory.h"

namespace sdxl::test {

inline const std::filesystem::path kTokenizerData =
    std::filesystem::path(SDXL_TEST_DATA) / "tokenizers";

class TokenizerDirectory {
 public:
  /// `vocabulary` is a folder of kTokenizerData, whose files are copied; `files` are JSON files by
  /// name.
  explicit TokenizerDirectory(const Json& files = Json::object(),
                              const std::string& vocabulary = "clip") {
    for (const auto& file : std::filesystem::directory_iterator(kTokenizerData / vocabulary)) {
      std::filesystem::copy_file(file, directory_ / file.path().filename().string());
    }
    write("tokenizer_config.json", R"({"model_max_length": 77})");
    for (const auto& [name, content] : files.items()) write(name, content.dump());
  }

  void write(const std::string& name, const std::string& content) const {
    std::ofstream(directory_ / name, std::ios::binary) << content;
  }
  const std::filesystem::path& path() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
};

}  // namespace sdxl::test
