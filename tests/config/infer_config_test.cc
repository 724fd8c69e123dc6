// The options of infer, and what is refused.
#include "config/infer_config.h"

#include "config/validation.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

InferConfig valid() {
  InferConfig config;
  config.pretrained_model_name_or_path = "model";
  config.prompt = {"a cat"};
  config.output = "cat.png";
  return config;
}

template <typename Change>
void refuses(Change&& change, const char* part) {
  InferConfig config = valid();
  validate_infer_config(config);
  change(config);
  EXPECT_SDXL_ERROR(validate_infer_config(config), ExitStatus::kUsage, part);
}

using C = InferConfig;

TEST(InferConfig, HasTheDesignsDefaults) {
  const InferConfig config;
  EXPECT_EQ(config.num_inference_steps, 30);
  EXPECT_EQ(config.guidance_scale, 7.5);
  EXPECT_EQ(config.guidance_rescale, 0);
  EXPECT_EQ(config.mixed_precision, "no");
  EXPECT_EQ(config.device, "auto");
}

TEST(InferConfig, RequiresModelPromptAndPlace) {
  refuses([](C& c) { c.pretrained_model_name_or_path = ""; }, "--pretrained_model_name_or_path");
  refuses([](C& c) { c.prompt.clear(); }, "--prompt");
  refuses([](C& c) { c.output.reset(); }, "--output FILE.png");
  InferConfig empty_prompt = valid();
  empty_prompt.prompt = {""};
  validate_infer_config(empty_prompt);
}

TEST(InferConfig, OneOutputIsForOnePicture) {
  refuses([](C& c) { c.output_dir = "d"; }, "one of them");
  refuses([](C& c) { c.prompt = {"a", "b"}; }, "2 are requested: give --output_dir");
  refuses([](C& c) { c.num_images_per_prompt = 3; }, "3 are requested");
  refuses([](C& c) { c.prompt_file = "p"; }, "--prompt_file may generate several");
  refuses([](C& c) { c.checkpoints = {"d"}; }, "--checkpoints may generate several");
  refuses([](C& c) { c.output = "cat.jpg"; }, "must end in .png");
  refuses([](C& c) { c.output_type = "latent"; }, "must end in .safetensors");
}

TEST(InferConfig, ScalesComeInPairs) {
  refuses([](C& c) { c.lora_scale = {1}; }, "--lora is given 0 times and --lora_scale 1 times");
  refuses([](C& c) { c.lora = {"a", "b"}, c.lora_scale = {1}; }, "one scale per LoRA");
  refuses([](C& c) { c.timesteps = {1}, c.sigmas = {1}; }, "one of them");
}

TEST(InferConfig, SidesAreMultiplesOf8) {
  InferConfig config;
  OptionSet options(infer_table(config));
  EXPECT_SDXL_ERROR(options.set_from_flag("height", {"500"}), ExitStatus::kUsage,
                    "--height '500': must be a multiple of 8, such as 496");
  EXPECT_SDXL_ERROR(options.set_from_flag("width", {"0"}), ExitStatus::kUsage, "at least 8");
}

TEST(InferConfig, SuggestsASamplerInsteadOfListingAll) {
  InferConfig config;
  OptionSet options(infer_table(config));
  EXPECT_SDXL_ERROR(options.set_from_flag("scheduler", {"eulre"}), ExitStatus::kUsage,
                    "--scheduler 'eulre': must be a known name; did you mean euler?");
  EXPECT_SDXL_ERROR(options.set_from_flag("scheduler", {"zzz"}), ExitStatus::kUsage,
                    "must be one of euler_a, ddim");
}

}  // namespace
}  // namespace sdxl
