// To add a tracker, declare its maker here and give it a line in kTrackers.
#include "training/trackers/registry.h"

namespace sdxl {

/// Null if the environment disables the tracker.
using TrackerMaker = std::unique_ptr<Tracker>(const TrackerOptions& options);
TrackerMaker make_tensorboard_tracker;
TrackerMaker make_wandb_tracker;

namespace {

struct TrackerEntry {
  const char* name;
  TrackerMaker* make;
};

constexpr TrackerEntry kTrackers[] = {
    {"tensorboard", make_tensorboard_tracker},
    {"wandb", make_wandb_tracker},
};

}  // namespace

std::vector<std::string> tracker_names() {
  std::vector<std::string> names;
  for (const TrackerEntry& entry : kTrackers) names.emplace_back(entry.name);
  return names;
}

std::vector<std::unique_ptr<Tracker>> make_trackers(const std::string& report_to,
                                                    const TrackerOptions& options) {
  std::vector<std::unique_ptr<Tracker>> trackers;
  for (const TrackerEntry& entry : kTrackers) {
    if (report_to != "all" && report_to != entry.name) continue;
    if (auto tracker = entry.make(options)) trackers.push_back(std::move(tracker));
  }
  return trackers;
}

}  // namespace sdxl
