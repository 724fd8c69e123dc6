// The binary as users run it: exit statuses, streams, help.
#include <sys/stat.h>

#include <chrono>
#include <fstream>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "support/expect_error.h"
#include "support/process.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::ProcessResult;

ProcessResult run_sdxl(std::vector<std::string> arguments, test::ProcessOptions options = {}) {
  arguments.insert(arguments.begin(), SDXL_BINARY);
  return test::run_process(arguments, options);
}

/// One line on stderr that begins as every error does, nothing on stdout.
void expect_failure(const ProcessResult& result, int status, const char* part) {
  EXPECT_EQ(result.status, status) << result.error;
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.error, testing::StartsWith("sdxl: error: "));
  EXPECT_THAT(result.error, testing::HasSubstr(part));
  EXPECT_EQ(std::count(result.error.begin(), result.error.end(), '\n'), 1) << result.error;
}

TEST(Binary, PrintsVersionAndHelp) {
  const ProcessResult version = run_sdxl({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.output, testing::MatchesRegex("sdxl [0-9.]+\n"));
  const ProcessResult help = run_sdxl({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.output, testing::HasSubstr("infer"));
  const ProcessResult infer = run_sdxl({"infer", "--help"});
  EXPECT_EQ(infer.status, 0);
  EXPECT_THAT(infer.output, testing::HasSubstr("--num_inference_steps N"));
}

TEST(Binary, WithoutACommandHelpGoesToStderr) {
  const ProcessResult result = run_sdxl({});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.error, testing::HasSubstr("Usage: sdxl COMMAND"));
}

TEST(Binary, UsageErrorsExitWith2) {
  expect_failure(run_sdxl({"infr"}), 2, "did you mean 'infer'?");
  expect_failure(run_sdxl({"infer", "--promt", "x"}), 2, "did you mean '--prompt'?");
  expect_failure(run_sdxl({"infer", "--seed", "1.5"}), 2, "--seed '1.5'");
  expect_failure(run_sdxl({"infer"}), 2, "--pretrained_model_name_or_path");
  expect_failure(run_sdxl({"infer", "--height", "12\x1b[31m"}), 2, "'12\\x1B[31m'");
  expect_failure(run_sdxl({"infer", "--output", "x.png", "--prompt", "x",
                           "--pretrained_model_name_or_path", "/none", "--seed=1", "--device=cpu"}),
                 2, "--pretrained_model_name_or_path: '/none'");
}

TEST(Binary, FileAndDataErrorsHaveTheirStatuses) {
  const test::TemporaryDirectory directory;
  expect_failure(run_sdxl({"infer", "--config", directory / "none.json"}), 74, "none.json");
  expect_failure(run_sdxl({"infer", "--pretrained_model_name_or_path", directory.path(), "--prompt",
                           "x", "--output", directory / "x.png", "--seed=1", "--device=cpu"}),
                 65, "model_index.json");
  EXPECT_FALSE(fs::exists(directory / "x.png"));
}

TEST(Binary, PrintedConfigsCanBeFedBack) {
  const test::TemporaryDirectory directory;
  const ProcessResult first = run_sdxl({"infer", "--seed=18446744073709551615",
                                        "--prompt=", "--prompt=--a \"b\"\n", "--print_config"});
  ASSERT_EQ(first.status, 0) << first.error;
  write_file_atomically(directory / "c.json", first.output);
  const ProcessResult second =
      run_sdxl({"infer", "--config", directory / "c.json", "--height=64", "--print-config"});
  ASSERT_EQ(second.status, 0) << second.error;
  Json before = parse_json(first.output, "1"), after = parse_json(second.output, "2");
  EXPECT_EQ(before["_origins"], parse_json(R"({"prompt":"flag","seed":"flag"})", ""));
  EXPECT_EQ(after["_origins"]["height"], "flag");
  EXPECT_EQ(after["_origins"]["seed"], "file");
  EXPECT_EQ(after["seed"].get<uint64_t>(), UINT64_MAX);
  EXPECT_EQ(after["prompt"], before["prompt"]);
  EXPECT_EQ(after["height"], 64);
}

TEST(Binary, TokensNeverReachAPrintedConfig) {
  const std::string token = "hf_canaryCanaryCanaryCanary1";
  const ProcessResult result =
      run_sdxl({"infer", "--prompt", "x " + token, "--unet", "short-s3cret", "--print_config"},
               {.environment = {{"HF_TOKEN", "short-s3cret"}}});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, testing::Not(testing::HasSubstr(token)));
  EXPECT_THAT(result.output, testing::Not(testing::HasSubstr("s3cret")));
}

TEST(Binary, AFullDiskUnderStandardOutputIsAFileError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  expect_failure(run_sdxl({"--help"}, {.output_file = "/dev/full"}), 74, "standard output");
}

TEST(Binary, StartsQuickly) {
  run_sdxl({"--version"});  // reads the libraries from the disk
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run_sdxl({"--version"});
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  RecordProperty("seconds", std::to_string(best));
  EXPECT_LT(best, 3);  // 0.2 s where nothing else runs; the bound is for busy machines
}

}  // namespace
}  // namespace sdxl
