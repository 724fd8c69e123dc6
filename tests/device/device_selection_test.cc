// The values of --device: which are accepted, which are refused and why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/json.h"
#include "device/torch_npu_library.h"
#include "support/process.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::ProcessResult;
using test::TemporaryDirectory;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Environment = std::vector<std::pair<std::string, std::string>>;

const Environment kSimulated = {{"SDXL_TORCH_NPU_LIB", SIMULATED_NPU}};

/// Runs a training command that ends before it trains.
ProcessResult select(const std::string& device, const Environment& environment,
                     const std::vector<std::string>& flags = {"--dry_run"}) {
  const TemporaryDirectory directory;
  std::vector<std::string> command = {SDXL_BINARY,
                                      "train-full",
                                      "--device=" + device,
                                      "--pretrained_model_name_or_path=" SDXL_TEST_DATA
                                      "/tiny-sdxl",
                                      "--train_data_dir=" SDXL_TEST_DATA "/training/pictures",
                                      "--resolution=32",
                                      "--max_train_steps=1",
                                      "--train_batch_size=1",
                                      "--seed=1",
                                      "--output_dir=" + (directory.path() / "run").string()};
  command.insert(command.end(), flags.begin(), flags.end());
  return test::run_process(command, {environment});
}

TEST(DeviceSelection, SelectsTheDeviceByIndex) {
  const ProcessResult result = select("npu:1", kSimulated);
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_THAT(result.output, HasSubstr(R"("device":"npu:1")"));
}

TEST(DeviceSelection, AutoSelectsAWorkingDeviceAndExplains) {
  if (fs::exists("/dev/nvidiactl")) GTEST_SKIP() << "here CUDA works";
  const ProcessResult npu = select("auto", kSimulated);
  ASSERT_EQ(npu.status, 0) << npu.error;
  EXPECT_THAT(npu.output, HasSubstr(R"("device":"npu:0")"));
  EXPECT_THAT(npu.error, HasSubstr("computing on npu, since cuda: "));
  const ProcessResult cpu = select("auto", {{"SDXL_TORCH_NPU_LIB", "/nowhere"}});
  ASSERT_EQ(cpu.status, 0) << cpu.error;
  EXPECT_THAT(cpu.error, AllOf(HasSubstr("computing on cpu, since cuda: "),
                               HasSubstr("SDXL_TORCH_NPU_LIB='/nowhere'")));
}

TEST(DeviceSelection, RefusesAnIndexOutOfRange) {
  const ProcessResult result = select("npu:9", kSimulated);
  EXPECT_EQ(result.status, 69);
  EXPECT_THAT(result.error, HasSubstr("there are 2 such devices, the last is npu:1"));
}

TEST(DeviceSelection, RefusesOtherNames) {
  for (const char* name : {"npu:x", "npu:", "npu:-1", "gpu", "cpu:0", "npu:99999999999"}) {
    EXPECT_EQ(select(name, kSimulated).status, 2) << name;
  }
}

TEST(DeviceSelection, CountsTheVisibleDevices) {
  const ProcessResult one = select("npu:1", {kSimulated[0], {"ASCEND_RT_VISIBLE_DEVICES", "3"}});
  EXPECT_EQ(one.status, 69);
  EXPECT_THAT(one.error, HasSubstr("there are 1 such devices"));
  const ProcessResult none = select("npu", {kSimulated[0], {"ASCEND_RT_VISIBLE_DEVICES", ""}});
  EXPECT_EQ(none.status, 69);
  EXPECT_THAT(none.error, HasSubstr("ASCEND_RT_VISIBLE_DEVICES"));
}

TEST(DeviceSelection, ChecksTorchNpusVersionBeforeOpeningIt) {
  const TemporaryDirectory directory;
  create_directories(directory.path() / "lib");
  write_file_atomically(directory.path() / "lib/libtorch_npu.so", "no library");
  write_file_atomically(directory.path() / "version.py", "__version__ = '2.6.0.post1'\n");
  const ProcessResult result =
      select("npu", {{"SDXL_TORCH_NPU_LIB", (directory.path() / "lib").string()}});
  EXPECT_EQ(result.status, 69);
  EXPECT_THAT(result.error,
              HasSubstr("is from torch_npu 2.6.0.post1, but this program needs 2.11"));
}

TEST(DeviceSelection, CpuOpensNoVendorLibrary) {
  const ProcessResult result =
      select("cpu", {kSimulated[0], {"LD_DEBUG", "files"}}, {"--log_level=warning"});
  ASSERT_EQ(result.status, 0);
  ASSERT_THAT(result.error, HasSubstr("libtorch_cpu.so"));
  for (const char* library : {"libtorch_npu", "libtorch_cuda", "libcuda.so", "libcudnn", "libnccl",
                              "libascend", "libhccl", "libpython", "libsdxl_cuda", "libsdxl_npu"}) {
    EXPECT_THAT(result.error, Not(HasSubstr(library)));
  }
}

TEST(DeviceSelection, UsesTorchNpusFusedAttention) {
  const ProcessResult result =
      select("npu", kSimulated,
             {"--enable_npu_flash_attention", "--mixed_precision=bf16", "--log_level=debug"});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_THAT(result.error, HasSubstr("npu::npu_fusion_attention"));
  const ProcessResult cpu = select("cpu", {}, {"--enable_npu_flash_attention", "--dry_run"});
  EXPECT_EQ(cpu.status, 2);
  EXPECT_THAT(cpu.error, HasSubstr("--enable_npu_flash_attention: cpu has no such attention"));
}

TEST(Devices, AreListed) {
  const ProcessResult table = test::run_process({SDXL_BINARY, "devices"}, {kSimulated});
  ASSERT_EQ(table.status, 0) << table.error;
  EXPECT_THAT(table.output, testing::ContainsRegex("npu:1 +Simulated NPU +4.0 GiB"));
  const ProcessResult json = test::run_process({SDXL_BINARY, "devices", "--json"}, {kSimulated});
  for (const Json& back_end : parse_json(json.output, "devices")) {
    if (back_end["back_end"] != "npu") continue;
    EXPECT_TRUE(back_end["usable"].get<bool>());
    EXPECT_EQ(back_end["devices"][1]["memory"], uint64_t{4} << 30);
  }
}

TEST(Remedies, NameTheMissingLibrary) {
  const std::string missing = ": cannot open shared object file: No such file or directory";
  EXPECT_THAT(
      remedy_for("cannot open the library 'x': libhccl.so" + missing),
      AllOf(HasSubstr("libhccl.so belongs to CANN"), HasSubstr("source /usr/local/Ascend/")));
  EXPECT_THAT(remedy_for("cannot open the library 'x': libascend_hal.so" + missing),
              HasSubstr("libascend_hal.so belongs to the Ascend driver"));
}

}  // namespace
}  // namespace sdxl
