#include "commands/infer/report.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

namespace sdxl {
namespace {

void print_json(const PictureReport& picture) {
  const Json line = {{"file", picture.file},
                     {"seconds", picture.seconds},
                     {"steps_per_second", picture.steps_per_second},
                     {"weights_seconds", picture.weights_seconds},
                     {"peak_memory", picture.peak_memory},
                     {"kept", picture.kept}};
  std::printf("%s\n", one_line(line).c_str());
}

void print_row(const PictureReport& picture, int width) {
  if (picture.kept) {
    std::printf("%-*s  %10s\n", width, picture.file.c_str(), "kept");
    return;
  }
  std::printf("%-*s  %8.2f s  %8.2f  %s\n", width, picture.file.c_str(), picture.seconds,
              picture.steps_per_second, bytes_text(picture.peak_memory).c_str());
}

}  // namespace

void InferReport::add(PictureReport picture) {
  log_failures();
  pictures_.push_back(std::move(picture));
}

void InferReport::fail(const Error& error) {
  log_failures();
  failures_.push_back(error);
}

void InferReport::log_failures() {
  for (; logged_ < failures_.size(); ++logged_) log::warning(failures_[logged_].what());
}

void InferReport::merge(Ranks& ranks) {
  if (ranks.is_single()) return;
  log_failures();
  Json mine = {{"pictures", Json::array()}, {"failures", Json::array()}};
  for (const PictureReport& picture : pictures_) {
    mine["pictures"].push_back({picture.file, picture.seconds, picture.steps_per_second,
                                picture.weights_seconds, picture.peak_memory, picture.kept});
  }
  for (const Error& failure : failures_) {
    mine["failures"].push_back({static_cast<int>(failure.status()), failure.what()});
  }
  const std::vector<Json> all = all_gather_json(ranks, mine);
  std::set<std::string> seen;
  pictures_.clear();
  failures_.clear();
  for (const Json& json : all) {
    for (const Json& one : json["pictures"]) {
      pictures_.push_back({one[0].get<std::string>(), one[1].get<double>(), one[2].get<double>(),
                           one[3].get<double>(), one[4].get<uint64_t>(), one[5].get<bool>()});
    }
    for (const Json& one : json["failures"]) {
      const auto message = one[1].get<std::string>();
      if (!seen.insert(message).second) continue;
      failures_.emplace_back(static_cast<ExitStatus>(one[0].get<int>()), message);
    }
  }
  logged_ = failures_.size();  // each rank logged its failures
}

void InferReport::print(bool json) const {
  if (json) {
    for (const PictureReport& picture : pictures_) print_json(picture);
    return;
  }
  size_t width = 4;
  for (const PictureReport& picture : pictures_) width = std::max(width, picture.file.size());
  if (!pictures_.empty()) {
    std::printf("%-*s  %10s  %8s  %s\n", static_cast<int>(width), "file", "time", "steps/s",
                "peak memory");
  }
  for (const PictureReport& picture : pictures_) print_row(picture, static_cast<int>(width));
}

void InferReport::throw_if_failed() {
  if (failures_.empty()) return;
  if (failures_.size() > 1) log_failures();
  ExitStatus status = failures_.front().status();
  for (const Error& failure : failures_) {
    if (failure.status() != status || !pictures_.empty()) status = ExitStatus::kBadData;
  }
  const std::string first = failures_.front().what();
  if (failures_.size() == 1) throw Error(status, first);
  throw Error(status, str(failures_.size(), " items could not be drawn; the first: ", first));
}

}  // namespace sdxl
