// The trackers by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "training/trackers/tracker.h"

namespace sdxl {

/// The names of all trackers: the choices of --report_to besides "none" and "all".
std::vector<std::string> tracker_names();

/// The trackers that --report_to selects: none for "none", each for "all". Leaves out those that
/// the environment disables.
std::vector<std::unique_ptr<Tracker>> make_trackers(const std::string& report_to,
                                                    const TrackerOptions& options);

}  // namespace sdxl
