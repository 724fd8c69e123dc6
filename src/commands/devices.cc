// sdxl devices: what can run here, and why not.
#include <unistd.h>

#include <torch/version.h>
#include <cstdio>
#include <thread>

#include "base/text.h"
#include "base/version.h"
#include "commands/command.h"
#include "config/devices_config.h"
#include "device/registry.h"

namespace sdxl {
namespace {

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
  } catch (const Error&) {  // of what devices() will say
  }
  try {
    report.devices = back_end.devices();
    back_end.open();
  } catch (const Error& error) {
    report.problem = error.what();
  }
  return report;
}

BackEndReport report_on_cpu() {
  const auto pages = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const std::string model = str(std::thread::hardware_concurrency(), " processors");
  return {"cpu",
          "",
          {{"cpu", model, pages * page, ""}},
          {{"sdxl", version()}, {"LibTorch", TORCH_VERSION}}};
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

void print_row(const std::string& device, const std::string& model, const std::string& memory,
               const std::string& note) {
  std::printf("%-8s %-28s %10s%s%s\n", device.c_str(), model.c_str(), memory.c_str(),
              note.empty() ? "" : "  ", note.c_str());
}

/// The devices that can be used, then for each back end what is installed and what is missing.
void print_table(const std::vector<BackEndReport>& reports) {
  print_row("DEVICE", "MODEL", "MEMORY", "NOTE");
  for (const BackEndReport& report : reports) {
    for (const DeviceDescription& device : report.devices) {
      print_row(device.name, device.model, device.memory ? bytes_text(device.memory) : "-",
                report.problem.empty() ? device.note : "not usable");
    }
  }
  for (const BackEndReport& report : reports) {
    std::printf("\n%s: %s\n", report.name.c_str(),
                report.problem.empty() ? "usable" : "not usable");
    if (!report.problem.empty()) std::printf("  %s\n", report.problem.c_str());
    for (const auto& [name, version] : report.versions) {
      std::printf("  %s: %s\n", name.c_str(), version.c_str());
    }
  }
}

class DevicesCommand : public Command {
 public:
  std::string summary() const override {
    return "list the devices that work, and why others do not";
  }
  OptionSet& options() override { return options_; }
  void validate() override {}

  ExitStatus run() override {
    std::vector<BackEndReport> reports;
    for (const auto& back_end : back_ends()) reports.push_back(report_on(*back_end));
    reports.push_back(report_on_cpu());
    if (config_.json) {
      Json all = Json::array();
      for (const BackEndReport& report : reports) all.push_back(to_json(report));
      std::printf("%s\n", indented(all).c_str());
    } else {
      print_table(reports);
    }
    return ExitStatus::kDone;
  }

 private:
  DevicesConfig config_;
  OptionSet options_{devices_table(config_)};
};

}  // namespace

std::unique_ptr<Command> make_devices_command() { return std::make_unique<DevicesCommand>(); }

}  // namespace sdxl
