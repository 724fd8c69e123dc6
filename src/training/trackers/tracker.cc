// The table of trackers.
#include "training/trackers/tracker.h"

#include "base/error.h"
#include "base/text.h"
#include "training/trackers/trackers.h"

namespace sdxl {
namespace {

struct TrackerEntry {
  const char* name;
  std::unique_ptr<Tracker> (*make)(const TrackerOptions& options);
};

const std::vector<TrackerEntry> kTrackers = {
    {"tensorboard", make_tensorboard_tracker},
    {"wandb", make_wandb_tracker},
};

}  // namespace

std::vector<std::string> tracker_names() {
  std::vector<std::string> names;
  for (const TrackerEntry& entry : kTrackers) names.push_back(entry.name);
  return names;
}

std::vector<std::unique_ptr<Tracker>> make_trackers(const std::string& report_to,
                                                    const TrackerOptions& options) {
  std::vector<std::unique_ptr<Tracker>> trackers;
  bool known = report_to == "none" || report_to == "all";
  for (const TrackerEntry& entry : kTrackers) {
    if (report_to != "all" && report_to != entry.name) continue;
    known = true;
    if (auto tracker = entry.make(options)) trackers.push_back(std::move(tracker));
  }
  if (!known) {
    throw Error(ExitStatus::kUsage,
                sdxl::str("--report_to ", quoted(report_to), " is not known; ",
                          "there are none, all, ", join(tracker_names(), ", ")));
  }
  return trackers;
}

}  // namespace sdxl
