// Epochs that draw every picture once; the pictures are seven.
#include <gmock/gmock.h>

#include <map>

#include "base/files/files.h"
#include "support/process.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pointwise;

class ExactEpochs : public ::testing::Test {
 protected:
  test::ProcessResult train(const std::string& name, std::vector<std::string> flags) {
    flags.insert(flags.begin(),
                 {SDXL_BINARY, "train-lora", "--pretrained_model_name_or_path=" + test::kTinyModel,
                  "--train_data_dir=" + test::kPictures, "--resolution=32", "--num_threads=1",
                  "--seed=4", "--num_train_epochs=2", "--checkpointing_steps=1", "--debug_loss",
                  "--report_to=none", "--output_dir=" + at(name).string()});
    return test::run_process(flags);
  }
  fs::path at(const std::string& name) const { return directory_ / name; }

  test::TemporaryDirectory directory_;
};

TEST_F(ExactEpochs, DrawEveryPictureOncePerEpoch) {
  ASSERT_EQ(train("run", {"--train_batch_size=4", "--exact_epochs"}).status, 0);
  std::vector<size_t> sizes;
  std::map<std::string, int> draws;
  for (const Json& line : test::metrics(at("run"))) {
    sizes.push_back(line.at("pictures").size());
    for (const Json& picture : line.at("pictures")) ++draws[picture.at("name").get<std::string>()];
  }
  EXPECT_THAT(sizes, ElementsAre(4, 3, 4, 3));
  EXPECT_EQ(draws.size(), 7u);
  for (const auto& [name, count] : draws) EXPECT_EQ(count, 2) << name;
}

TEST_F(ExactEpochs, AreOfferedWhereTheStepsDrawMore) {
  const test::ProcessResult result = train("run", {"--train_batch_size=16"});
  EXPECT_THAT(result.error, HasSubstr("32 draws of 7 samples, 4.571 epochs"));
  EXPECT_THAT(result.error, HasSubstr("--exact_epochs draws 2"));
}

TEST_F(ExactEpochs, GoOnAsIfNothingHadHappened) {
  const std::vector<std::string> flags = {"--train_batch_size=4", "--exact_epochs"};
  ASSERT_EQ(train("whole", flags).status, 0);
  ASSERT_EQ(train("parts", {flags[0], flags[1], "--max_train_steps=3"}).status, 0);
  ASSERT_EQ(train("parts", {flags[0], flags[1], "--resume_from_checkpoint=latest"}).status, 0);
  const char* weights = "pytorch_lora_weights.safetensors";
  EXPECT_EQ(read_file(at("parts") / weights), read_file(at("whole") / weights));
}

TEST_F(ExactEpochs, WeighEverySampleOfAStepTheSame) {
  ASSERT_EQ(train("whole", {"--train_batch_size=4", "--exact_epochs"}).status, 0);
  ASSERT_EQ(train("divided",
                  {"--train_batch_size=2", "--gradient_accumulation_steps=2", "--exact_epochs"})
                .status,
            0);
  EXPECT_THAT(test::losses(at("divided")), Pointwise(DoubleNear(1e-6), test::losses(at("whole"))));
}

}  // namespace
}  // namespace sdxl
