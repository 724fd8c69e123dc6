#include "device/fallbacks.h"

#include <c10/util/Exception.h>

#include <set>
#include <string_view>

#include "base/log.h"
#include "base/text.h"

namespace sdxl {
namespace {

std::map<std::string, int64_t>& counts() {
  static auto* all = new std::map<std::string, int64_t>;
  return *all;
}

class Watcher : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    const std::string name = fallback_in(warning.msg());
    if (!name.empty()) {
      ++counts()[name];
    } else if (warning.msg().find("deterministic") != std::string::npos) {
      log::debug(warning.msg());
    } else if (seen_.insert(warning.msg()).second) {
      log::warning(warning.msg());
    }
  }

 private:
  std::set<std::string> seen_;
};

}  // namespace

std::string fallback_in(const std::string& warning) {
  constexpr std::string_view kBefore = "The operator '";
  const size_t found = warning.find(kBefore);
  if (found == std::string::npos) return "";
  const size_t begin = found + kBefore.size();
  const size_t end = warning.find('\'', begin);
  if (end == std::string::npos) return "";
  const bool falls_back = warning.find("fall back to run on the CPU", end) != std::string::npos;
  return falls_back ? warning.substr(begin, end - begin) : "";
}

void watch_fallbacks() {
  static auto* watcher = new Watcher;
  c10::WarningUtils::set_warning_handler(watcher);
}

const std::map<std::string, int64_t>& fallbacks() { return counts(); }

void report_fallbacks() {
  if (counts().empty()) return;
  log::info(str("the device has no kernels for ", counts().size(),
                " operators, which were computed on the CPU; --log_level debug lists them"));
  for (const auto& [name, count] : counts()) {
    log::debug(str("computed on the CPU: ", name, " ", count));
  }
}

}  // namespace sdxl
