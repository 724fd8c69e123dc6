// judge WORLD METADATA PICTURES: compares each picture with the line of METADATA that says what it
// should show, and prints one JSON object with how many are right.
//
// Line k (from 0) of METADATA (JSON lines with shape, colour, place and more, as draw.py writes
// them) belongs to PICTURES/{k:05d}_*.png, as `sdxl infer --output_dir` names them, or to the
// file_name that it gives. A picture is right when shape, colour and place are; what a line does
// not give is not asked. With --list, one line for each picture says what was seen.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "demo_world/judge.h"
#include "io/images/decode.h"

namespace sdxl::world {
namespace {

namespace fs = std::filesystem;

std::vector<Json> read_lines(const fs::path& path) {
  std::ifstream file(path);
  if (!file) throw Error(ExitStatus::kFileError, str(path.string(), ": cannot be opened"));
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines.push_back(parse_json(line, str(path.string(), ":", lines.size() + 1)));
  }
  return lines;
}

fs::path picture_of(const fs::path& directory, const Json& line, size_t index) {
  if (line.contains("file_name")) {
    const fs::path named = directory / line.at("file_name").get<std::string>();
    if (fs::exists(named)) return named;
  }
  char prefix[16];
  std::snprintf(prefix, sizeof prefix, "%05zu_", index);
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".png")) return entry.path();
  }
  throw Error(ExitStatus::kBadData, str(directory.string(), ": has no picture ", prefix, "*.png"));
}

/// Counts of right answers, by what was asked.
class Score {
 public:
  void add(const Json& line, const Seen& seen) {
    const std::pair<const char*, const std::string*> answers[] = {{"shape", &seen.shape},
                                                                  {"colour", &seen.colour},
                                                                  {"place", &seen.place},
                                                                  {"size", &seen.size},
                                                                  {"background", &seen.background}};
    bool right = true;
    for (const auto& [name, answer] : answers) {
      if (!line.contains(name)) continue;
      const bool agrees = line.at(name).get<std::string>() == *answer;
      ++asked_[name];
      agreed_[name] += agrees;
      if (name != std::string("size") && name != std::string("background")) right &= agrees;
    }
    ++pictures_;
    right_ += right;
  }

  Json summary() const {
    Json json{{"pictures", pictures_}, {"right", right_}, {"accuracy", share(right_, pictures_)}};
    for (const auto& [name, count] : asked_) json[name] = share(agreed_.at(name), count);
    return json;
  }

 private:
  static double share(int64_t part, int64_t whole) {
    return whole == 0 ? 0.0 : std::round(1e4 * part / whole) / 1e4;
  }

  int64_t pictures_ = 0, right_ = 0;
  std::map<std::string, int64_t> asked_, agreed_;
};

void run(const fs::path& world, const fs::path& metadata, const fs::path& pictures, bool list) {
  const Judge judge(read_world(world));
  Score score;
  size_t index = 0;
  for (const Json& line : read_lines(metadata)) {
    const fs::path path = picture_of(pictures, line, index++);
    const Seen seen = judge.look_at(read_image(path));
    score.add(line, seen);
    if (!list) continue;
    std::cout << Json{{"file", path.filename().string()},
                      {"text", line.value("text", "")},
                      {"shape", seen.shape},
                      {"colour", seen.colour},
                      {"size", seen.size},
                      {"place", seen.place},
                      {"background", seen.background},
                      {"match", seen.match}}
                     .dump()
              << "\n";
  }
  std::cout << score.summary().dump() << "\n";
}

}  // namespace
}  // namespace sdxl::world

int main(int count, char** values) {
  std::vector<std::string> words(values + 1, values + count);
  const bool list = std::erase(words, "--list") > 0;
  if (words.size() != 3) {
    std::cerr << "usage: judge [--list] WORLD METADATA PICTURES\n";
    return static_cast<int>(sdxl::ExitStatus::kUsage);
  }
  try {
    sdxl::world::run(words[0], words[1], words[2], list);
  } catch (const sdxl::Error& error) {
    std::cerr << "judge: error: " << error.what() << "\n";
    return static_cast<int>(error.status());
  } catch (const std::exception& error) {
    std::cerr << "judge: error: " << error.what() << "\n";
    return static_cast<int>(sdxl::ExitStatus::kFailure);
  }
  return 0;
}
