// Inference with several processes.
#include <gtest/gtest.h>

#include "base/text.h"
#include "support/ranks.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::ProcessResult;
using test::RankProcesses;
using test::TemporaryDirectory;

std::vector<ProcessResult> draw(int ranks, const fs::path& output,
                                const std::vector<std::string>& flags) {
  RankProcesses processes(ranks, output.string() + "-printed", [&](int) {
    std::vector<std::string> command = {
        SDXL_BINARY,
        "infer",
        "--pretrained_model_name_or_path=" SDXL_TEST_DATA "/tiny-sdxl",
        "--height=32",
        "--width=32",
        "--num_inference_steps=2",
        "--num_threads=1",
        "--seed=7",
        "--output_dir=" + output.string()};
    command.insert(command.end(), flags.begin(), flags.end());
    return command;
  });
  return processes.wait();
}

const std::vector<std::string> kPrompts = {"--prompt=a", "--prompt=b", "--prompt=c",
                                           "--prompt=d", "--prompt=e", "--batch_size=2"};

TEST(RankInference, DrawsTheImagesOfASingleRank) {
  const TemporaryDirectory directory;
  const fs::path one = directory.path() / "one", three = directory.path() / "three";
  ASSERT_EQ(draw(1, one, kPrompts)[0].status, 0);
  const std::vector<ProcessResult> results = draw(3, three, kPrompts);
  for (const ProcessResult& result : results) ASSERT_EQ(result.status, 0) << result.error;
  for (int k = 0; k < 5; ++k) {
    const std::string name = str("0000", k, "_", 7 + k, ".png");
    EXPECT_EQ(read_file(one / name), read_file(three / name)) << name;
    EXPECT_NE(results[0].output.find(name), std::string::npos) << results[0].output;
  }
  EXPECT_EQ(split(read_file(three / "manifest.jsonl"), '\n').size(),
            split(read_file(one / "manifest.jsonl"), '\n').size());
  EXPECT_FALSE(fs::exists(three / ".manifest-rank-1.jsonl"));

  const std::vector<ProcessResult> again = draw(2, three, kPrompts);
  EXPECT_EQ(again[0].status, 0) << again[0].error;
  EXPECT_NE(again[0].output.find("kept"), std::string::npos) << again[0].output;
}

TEST(RankInference, DistributesCheckpoints) {
  const TemporaryDirectory directory;
  const fs::path run = directory.path() / "run";
  for (const char* name : {"checkpoint-1", "checkpoint-2"}) {
    create_directories(run / name);
    fs::copy(SDXL_TEST_DATA "/tiny-sdxl/unet", run / name / "unet");
  }
  const std::vector<std::string> flags = {"--prompt=a", "--checkpoints=" + run.string()};
  const fs::path one = directory.path() / "one", two = directory.path() / "two";
  ASSERT_EQ(draw(1, one, flags)[0].status, 0);
  for (const ProcessResult& result : draw(2, two, flags)) ASSERT_EQ(result.status, 0);
  for (const char* file :
       {"checkpoint-1/00000_7.png", "checkpoint-2/00000_7.png", "grid.png", "index.html"}) {
    EXPECT_EQ(read_file(one / file), read_file(two / file)) << file;
  }
}

}  // namespace
}  // namespace sdxl
