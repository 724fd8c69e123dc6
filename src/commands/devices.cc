// sdxl devices: what can run here, and why not.
#include <cstdio>
#include <thread>

#include "base/text.h"
#include "commands/command.h"
#include "config/common_config.h"
#include "device/back_end.h"

namespace sdxl {
namespace {

struct DevicesConfig {
  bool json = false;
};

std::vector<Option> devices_options(DevicesConfig& config) {
  OptionTable table;
  table.add("json", &config.json, "print JSON");
  return table.take();
}

/// What the table says of one back end.
struct BackEndReport {
  std::string name, problem;
  std::vector<DeviceDescription> devices;
  std::vector<std::pair<std::string, std::string>> versions;
};

BackEndReport report_on(BackEnd& back_end) {
  BackEndReport report{back_end.name(), "", {}, {}};
  try {
    report.versions = back_end.versions();
    report.devices = back_end.devices();
    back_end.open();
  } catch (const Error& error) {
    report.problem = error.what();
  }
  return report;
}

Json to_json(const BackEndReport& report) {
  Json json = {
      {"back_end", report.name}, {"usable", report.problem.empty()}, {"devices", Json::array()}};
  if (!report.problem.empty()) json["problem"] = report.problem;
  for (const DeviceDescription& device : report.devices) {
    json["devices"].push_back({{"name", device.name},
                               {"model", device.model},
                               {"memory", device.memory},
                               {"note", device.note}});
  }
  for (const auto& [name, version] : report.versions) json["versions"][name] = version;
  return json;
}

void print_table(const BackEndReport& report) {
  std::printf("%s: %s\n", report.name.c_str(), report.problem.empty() ? "usable" : "not usable");
  for (const DeviceDescription& device : report.devices) {
    std::printf("  %-8s %s%s%s\n", device.name.c_str(), device.model.c_str(),
                device.memory ? (", " + bytes_text(device.memory)).c_str() : "",
                device.note.empty() ? "" : (", " + device.note).c_str());
  }
  for (const auto& [name, version] : report.versions)
    std::printf("  %s: %s\n", name.c_str(), version.c_str());
  if (!report.problem.empty()) std::printf("  %s\n", report.problem.c_str());
}

class DevicesCommand : public Command {
 public:
  std::string name() const override { return "devices"; }
  std::string summary() const override {
    return "list what can compute here, and why other devices can't";
  }
  OptionSet& options() override { return options_; }
  void validate() override {}

  ExitStatus run() override {
    std::vector<BackEndReport> reports;
    for (const auto& back_end : back_ends()) reports.push_back(report_on(*back_end));
    const unsigned cores = std::thread::hardware_concurrency();
    reports.push_back({"cpu", "", {{"cpu", str(cores, " processors"), 0, ""}}, {}});
    Json all = Json::array();
    for (const BackEndReport& report : reports) {
      if (config_.json) {
        all.push_back(to_json(report));
      } else {
        print_table(report);
      }
    }
    if (config_.json) std::printf("%s\n", all.dump(2).c_str());
    return ExitStatus::kDone;
  }

 private:
  DevicesConfig config_;
  OptionSet options_{devices_options(config_)};
};

}  // namespace

std::unique_ptr<Command> make_devices_command() { return std::make_unique<DevicesCommand>(); }

}  // namespace sdxl
