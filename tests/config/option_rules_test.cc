// Options that are set together, checked by the rules of their rows.
#include "config/option_rules.h"

#include "config/infer_config.h"
#include "config/train_config.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

struct TrainingRules {
  TrainConfig config{TrainKind::kFull};
  OptionSet options{train_table(config)};

  void refuses(const char* command, const char* part) const {
    EXPECT_SDXL_ERROR(check_option_rules(options, command), ExitStatus::kUsage, part);
  }
  std::string warnings() const {
    testing::internal::CaptureStderr();
    check_option_rules(options, "train-full");
    return testing::internal::GetCapturedStderr();
  }
};

TEST(OptionRules, RefuseAnOptionOfAnotherCommand) {
  TrainingRules lora;
  lora.config.rank = 8;
  lora.refuses("train-full", "--rank is for train-lora only: leave it out");
  check_option_rules(lora.options, "train-lora");

  TrainingRules full;
  full.config.full_bf16 = true;
  full.refuses("train-lora", "--full_bf16 is for train-full only");
  check_option_rules(full.options, "train-full");
}

TEST(OptionRules, RefuseAnOptionWithoutTheOneItNeeds) {
  TrainingRules training;
  training.config.keep_best_checkpoint = true;
  training.refuses("train-full", "--keep_best_checkpoint needs --validation_loss_steps");
  training.config.validation_loss_steps = 5;
  training.config.dataset_config_name = "en";
  training.refuses("train-full", "--dataset_config_name needs --dataset_name");
  training.config.dataset_name = "data";
  training.config.text_encoder_lr = 1e-5;
  training.refuses("train-lora", "--text_encoder_lr needs --train_text_encoder");
}

TEST(OptionRules, OneOfSeveralNeededOptionsIsEnough) {
  InferConfig config;
  const OptionSet options(infer_table(config));
  config.lora_allow_unmatched = true;
  EXPECT_SDXL_ERROR(check_option_rules(options, "infer"), ExitStatus::kUsage,
                    "--lora_allow_unmatched needs --lora or --checkpoints");
  config.checkpoints = {"run"};
  check_option_rules(options, "infer");
}

TEST(OptionRules, WarnOfAnOptionWithoutEffect) {
  TrainingRules training;
  training.config.lr_power = 2;
  EXPECT_THAT(training.warnings(),
              testing::HasSubstr("--lr_power has no effect with --lr_scheduler constant: it is for "
                                 "polynomial"));
  training.config.lr_scheduler = "polynomial";
  EXPECT_EQ(training.warnings(), "");
}

TEST(OptionRules, JoinAlternatives) {
  EXPECT_EQ(alternatives({"a"}), "a");
  EXPECT_EQ(alternatives({"a", "b"}), "a or b");
  EXPECT_EQ(alternatives({"a", "b", "c"}), "a, b or c");
}

}  // namespace
}  // namespace sdxl
