// The table of trackers.
#include "training/tracker.h"

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Tracker> (*make)(const TrackerOptions& options);
};

const std::vector<Entry> kTrackers = {};

}  // namespace

std::vector<std::string> tracker_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kTrackers) names.push_back(entry.name);
  return names;
}

std::vector<std::unique_ptr<Tracker>> make_trackers(const std::string& report_to,
                                                    const TrackerOptions& options) {
  std::vector<std::unique_ptr<Tracker>> trackers;
  if (report_to == "none") return trackers;
  for (const Entry& entry : kTrackers) {
    if (report_to == "all" || report_to == entry.name) trackers.push_back(entry.make(options));
  }
  if (trackers.empty()) {
    throw Error(ExitStatus::kUsage,
                sdxl::str("--report_to ", quoted(report_to), " is not known; ",
                          "there are none, all, ", join(tracker_names(), ", ")));
  }
  return trackers;
}

}  // namespace sdxl
