// The options of training: the flags of both scripts with their defaults, and what is refused.
#include "config/train_config.h"

#include <map>

#include "config/validation.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

struct Training {
  Training() {
    config.pretrained_model_name_or_path = "model";
    config.train_data_dir = "data";
  }
  void validate() const { validate_train_config(config); }

  TrainConfig config{TrainKind::kFull};
};

// semantics.md, section 1: name, default as JSON.
const std::map<std::string, std::string> kScriptFlags = {
    {"pretrained_vae_model_name_or_path", "null"},
    {"revision", "null"},
    {"variant", "null"},
    {"dataset_name", "null"},
    {"dataset_config_name", "null"},
    {"train_data_dir", "null"},
    {"image_column", "\"image\""},
    {"caption_column", "\"text\""},
    {"validation_prompt", "[]"},
    {"num_validation_images", "4"},
    {"validation_epochs", "1"},
    {"max_train_samples", "null"},
    {"proportion_empty_prompts", "0.0"},
    {"cache_dir", "null"},
    {"seed", "null"},
    {"resolution", "1024"},
    {"center_crop", "false"},
    {"random_flip", "false"},
    {"train_text_encoder", "false"},
    {"train_batch_size", "16"},
    {"num_train_epochs", "100"},
    {"max_train_steps", "null"},
    {"checkpointing_steps", "500"},
    {"checkpoints_total_limit", "null"},
    {"resume_from_checkpoint", "null"},
    {"gradient_accumulation_steps", "1"},
    {"gradient_checkpointing", "false"},
    {"learning_rate", "0.0001"},
    {"scale_lr", "false"},
    {"lr_scheduler", "\"constant\""},
    {"lr_warmup_steps", "500"},
    {"timestep_bias_strategy", "\"none\""},
    {"timestep_bias_multiplier", "1.0"},
    {"timestep_bias_begin", "0"},
    {"timestep_bias_end", "1000"},
    {"timestep_bias_portion", "0.25"},
    {"snr_gamma", "null"},
    {"use_ema", "false"},
    {"allow_tf32", "false"},
    {"dataloader_num_workers", "0"},
    {"use_8bit_adam", "false"},
    {"adam_beta1", "0.9"},
    {"adam_beta2", "0.999"},
    {"adam_weight_decay", "0.01"},
    {"adam_epsilon", "1e-08"},
    {"max_grad_norm", "1.0"},
    {"push_to_hub", "false"},
    {"hub_token", "null"},
    {"hub_model_id", "null"},
    {"prediction_type", "null"},
    {"report_to", "\"tensorboard\""},
    {"logging_dir", "\"logs\""},
    {"mixed_precision", "\"no\""},
    {"local_rank", "-1"},
    {"enable_xformers_memory_efficient_attention", "false"},
    {"enable_npu_flash_attention", "false"},
    {"noise_offset", "0.0"},
    {"image_interpolation_mode", "\"lanczos\""},
    {"rank", "4"},
    {"debug_loss", "false"},
};

TEST(TrainConfig, HasTheFlagsOfBothScriptsWithTheirDefaults) {
  for (const TrainKind kind : {TrainKind::kFull, TrainKind::kLora}) {
    TrainConfig config(kind);
    const OptionSet options(train_table(config));
    for (const auto& [name, value] : kScriptFlags) {
      const Option* option = options.find(name);
      ASSERT_NE(option, nullptr) << name;
      EXPECT_EQ(options.value(*option).dump(), value) << name;
    }
  }
  EXPECT_EQ(TrainConfig(TrainKind::kFull).output_dir, "sdxl-model-finetuned");
  EXPECT_EQ(TrainConfig(TrainKind::kLora).output_dir, "sd-model-finetuned-lora");
}

TEST(TrainConfig, RequiresAModelAndData) {
  Training training;
  training.validate();
  training.config.train_data_dir.reset();
  EXPECT_SDXL_ERROR(training.validate(), ExitStatus::kUsage, "--train_data_dir");
  training.config.pretrained_model_name_or_path = "";
  EXPECT_SDXL_ERROR(training.validate(), ExitStatus::kUsage, "--pretrained_model_name_or_path");
}

TEST(TrainConfig, RefusesTheHubTokenWithoutShowingIt) {
  Training training;
  training.config.hub_token = "hf_verysecretverysecretverysecret";
  EXPECT_SDXL_ERROR(training.validate(), ExitStatus::kUsage, "HF_TOKEN");
  try {
    training.validate();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("secret")));
  }
}

TEST(TrainConfig, RefusesServicesByNameWithTheRemedy) {
  Training training;
  training.config.report_to = "comet_ml";
  EXPECT_SDXL_ERROR(training.validate(), ExitStatus::kUsage, "comet_ml");
  training.config.push_to_hub = true;
  training.config.hub_model_id = "me/model";
  EXPECT_SDXL_ERROR(training.validate(), ExitStatus::kUsage,
                    "hf upload me/model sdxl-model-finetuned");
}

TEST(TrainConfig, RefusesCombinationsThatCannotWork) {
  const auto refuses = [](auto change, const char* part) {
    Training training;
    change(training.config);
    EXPECT_SDXL_ERROR(training.validate(), ExitStatus::kUsage, part);
  };
  using C = TrainConfig;
  refuses([](C& c) { c.caption_column = "image"; }, "--caption_column");
  refuses([](C& c) { c.output_dir = ""; }, "--output_dir");
  refuses([](C& c) { c.overwrite_output_dir = true, c.resume_from_checkpoint = "latest"; },
          "one of them");
  refuses([](C& c) { c.use_8bit_adam = true, c.optimizer = "lion"; }, "--optimizer lion");
  refuses([](C& c) { c.fused_backward = true, c.gradient_accumulation_steps = 2; }, "use 1");
  refuses([](C& c) { c.fused_backward = true, c.mixed_precision = "fp16"; }, "use bf16");
  refuses([](C& c) { c.fused_backward = true, c.optimizer = "prodigy"; }, "--optimizer prodigy");
  refuses([](C& c) { c.full_bf16 = true, c.mixed_precision = "fp16"; }, "use bf16");
  refuses([](C& c) { c.optimizer_args = {"beta2"}; }, "NAME=NUMBER");
  refuses([](C& c) { c.lr_scheduler = "polynomial", c.learning_rate = 1e-7; }, "polynomial");
  refuses([](C& c) { c.cache_crops = 2, c.center_crop = true; }, "--center_crop");
  refuses([](C& c) { c.timestep_bias_strategy = "range", c.timestep_bias_begin = 1000; },
          "less than --timestep_bias_end 1000");
}

}  // namespace
}  // namespace sdxl
