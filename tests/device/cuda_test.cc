// Messages about a missing CUDA driver or library. The simulated driver only describes a device.
#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "support/process.h"

namespace sdxl {
namespace {

/// The report on CUDA of `sdxl devices --json`, with the simulated driver and without Python.
Json cuda_report(bool with_driver) {
  const std::string driver = with_driver ? SIMULATED_CUDA_DRIVER : "";
  const auto result =
      test::run_process({"/usr/bin/env", "-u", "VIRTUAL_ENV", "-u", "CONDA_PREFIX", "-u",
                         "PYTHONPATH", "-u", "SDXL_TORCH_LIB", "HOME=/nonexistent",
                         "LD_LIBRARY_PATH=" + driver, SDXL_BINARY, "devices", "--json"});
  EXPECT_EQ(result.status, 0) << result.error;
  for (const Json& report : parse_json(result.output, "devices")) {
    if (report.at("back_end") == "cuda") return report;
  }
  return Json();
}

TEST(Cuda, ReportsAnUnsupportedDevice) {
  const Json report = cuda_report(/*with_driver=*/true);
  EXPECT_FALSE(report.at("usable").get<bool>());
  const Json& device = report.at("devices").at(0);
  EXPECT_EQ(device.at("model"), "Simulated V100");
  EXPECT_EQ(device.at("memory"), uint64_t{16} << 30);
  EXPECT_NE(device.at("note").get<std::string>().find("use one built for CUDA 12"),
            std::string::npos);
}

TEST(Cuda, SaysHowToInstallAMissingLibrary) {
  const std::string problem = cuda_report(/*with_driver=*/true).at("problem");
  if (problem.find("is not in") == std::string::npos) GTEST_SKIP() << "torch is installed here";
  EXPECT_NE(problem.find("pip install torch==2.11"), std::string::npos) << problem;
}

TEST(Cuda, ReportsAMissingDriver) {
  const Json report = cuda_report(/*with_driver=*/false);
  if (!report.at("devices").empty()) GTEST_SKIP() << "a driver is installed here";
  EXPECT_NE(report.at("problem").get<std::string>().find("no NVIDIA driver"), std::string::npos);
}

}  // namespace
}  // namespace sdxl
