// What to change when memory runs out.
#include "config/memory_advice.h"

#include <gmock/gmock.h>

namespace sdxl {
namespace {

TEST(MemoryAdvice, NamesFirstWhatSavesMost) {
  TrainConfig config(TrainKind::kFull);
  config.train_batch_size = 4;
  const std::string advice = memory_advice(config, TrainKind::kFull);
  EXPECT_THAT(advice,
              testing::StartsWith("--gradient_checkpointing, then --mixed_precision bf16, then "
                                  "--train_batch_size 2 with --gradient_accumulation_steps 2"));
}

TEST(MemoryAdvice, LeavesOutWhatIsInUse) {
  TrainConfig config(TrainKind::kLora);
  config.gradient_checkpointing = true;
  config.mixed_precision = "bf16";
  config.base_dtype = "fp8";
  config.train_batch_size = 1;
  config.resolution = 512;
  EXPECT_EQ(memory_advice(config, TrainKind::kLora), "");
}

TEST(MemoryAdvice, SavesInTheDecoderIfImagesAreGeneratedOneByOne) {
  InferConfig config;
  config.mixed_precision = "fp16";
  EXPECT_EQ(memory_advice(config), "--vae_tiling, then smaller --height and --width");
}

}  // namespace
}  // namespace sdxl
