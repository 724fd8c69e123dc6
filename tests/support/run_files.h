// The model and images that tests run commands on, and the metrics of a training run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"

namespace sdxl::test {

inline const std::string kTinyModel = SDXL_TEST_DATA "/tiny-sdxl";
inline const std::string kPictures = SDXL_TEST_DATA "/training/pictures";

/// The lines of metrics.jsonl in a run's output folder.
inline std::vector<Json> metrics(const std::filesystem::path& output) {
  std::vector<Json> lines;
  for (const std::string& line : split(read_file(output / "metrics.jsonl"), '\n')) {
    if (!line.empty()) lines.push_back(parse_json(line, "metrics.jsonl"));
  }
  return lines;
}

/// The metrics without times and memory, which are equal in two equal runs.
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
