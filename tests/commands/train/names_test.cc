// Files and folders whose names are not UTF-8, as disks of other systems have them.
#include <gtest/gtest.h>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "support/process.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

const std::string kLatin1 = "caf\xE9";

TEST(NamesThatAreNotUtf8, AreWrittenToEveryFileOfARun) {
  const test::TemporaryDirectory directory;
  const fs::path pictures = directory / kLatin1, run = directory / ("run-" + kLatin1);
  fs::create_directories(pictures);
  fs::copy(test::kPictures + "/0.png", pictures / (kLatin1 + ".png"));
  write_file_atomically(pictures / (kLatin1 + ".txt"), "a circle");
  const test::ProcessResult result = test::run_process(
      {SDXL_BINARY, "train-lora", "--pretrained_model_name_or_path=" + test::kTinyModel,
       "--train_data_dir=" + pictures.string(), "--resolution=32", "--num_threads=1",
       "--max_train_steps=1", "--debug_loss", "--report_to=all", "--validation_prompt=a circle",
       "--output_dir=" + run.string()});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_EQ(test::metrics(run).size(), 1u);
  EXPECT_TRUE(fs::exists(run / "README.md"));
  EXPECT_NO_THROW(read_json(run / "config.json"));
}

}  // namespace
}  // namespace sdxl
