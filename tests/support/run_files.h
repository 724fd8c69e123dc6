// The model and pictures that tests run commands on, and what a training run wrote of itself.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/text.h"

namespace sdxl::test {

inline const std::string kTinyModel = SDXL_TEST_DATA "/tiny-sdxl";
inline const std::string kPictures = SDXL_TEST_DATA "/training/pictures";

/// The lines of metrics.jsonl of a run's output folder.
inline std::vector<Json> metrics(const std::filesystem::path& output) {
  std::vector<Json> lines;
  for (const std::string& line : split(read_file(output / "metrics.jsonl"), '\n')) {
    if (!line.empty()) lines.push_back(parse_json(line, "metrics.jsonl"));
  }
  return lines;
}

/// Those without times and memory: what must be the same in two equal runs.
inline std::vector<Json> numbers(const std::filesystem::path& output) {
  std::vector<Json> lines = metrics(output);
  for (Json& line : lines) {
    line.erase("samples_per_second");
    line.erase("data_wait");
    line.erase("memory");
  }
  return lines;
}

inline std::vector<double> losses(const std::filesystem::path& output) {
  std::vector<double> values;
  for (const Json& line : metrics(output)) values.push_back(line.at("loss").get<double>());
  return values;
}

}  // namespace sdxl::test
