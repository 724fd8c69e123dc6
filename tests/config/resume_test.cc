// Which options a resumed run may change.
#include "config/resume.h"

#include <gmock/gmock.h>

#include <set>

#include "config/train_config.h"

namespace sdxl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Resume : public testing::Test {
 protected:
  std::vector<std::string> differing(int64_t ranks = 1) const {
    const bool same = samples_of_step(table, saved, 1) == samples_of_step(table, now, ranks);
    return options_that_forbid_resume(table, saved, now, {same});
  }

  TrainConfig config{TrainKind::kLora};
  OptionSet table{train_table(config)};
  Json saved = table.to_json(), now = saved;
};

TEST_F(Resume, MayChangeWhatShapesNothing) {
  std::set<std::string> harmless;
  for (const auto& [name, value] : saved.items()) {
    now = saved;
    now[name] = value.is_number() ? Json(987) : Json("another");
    if (differing().empty()) harmless.insert(name);
  }
  EXPECT_EQ(harmless, (std::set<std::string>{"allow_other_data",
                                             "cache_dir",
                                             "checkpointing_steps",
                                             "checkpoints_total_limit",
                                             "dataloader_num_workers",
                                             "ddp_timeout",
                                             "debug_loss",
                                             "device",
                                             "embedding_cache_dir",
                                             "enable_xformers_memory_efficient_attention",
                                             "gradient_checkpointing",
                                             "hub_model_id",
                                             "keep_best_checkpoint",
                                             "local_rank",
                                             "log_level",
                                             "logging_dir",
                                             "max_train_steps",
                                             "num_threads",
                                             "num_train_epochs",
                                             "num_validation_images",
                                             "offline",
                                             "output_dir",
                                             "overwrite_output_dir",
                                             "push_to_hub",
                                             "report_to",
                                             "rescue_dir",
                                             "resume_from_checkpoint",
                                             "save_kohya",
                                             "validation_epochs",
                                             "validation_loss_steps",
                                             "validation_prompt",
                                             "validation_resolution",
                                             "validation_steps",
                                             "zero_stage"}));
}

TEST_F(Resume, NamesBothValuesOfWhatShapesTheResult) {
  now["learning_rate"] = 0.5;
  now["seed"] = 3;
  EXPECT_THAT(differing(),
              ElementsAre("--learning_rate was 0.0001 and is 0.5", "--seed was null and is 3"));
}

TEST_F(Resume, MayDivideTheSamplesOfAStepOtherwise) {
  now["train_batch_size"] = 4;
  now["gradient_accumulation_steps"] = 2;
  EXPECT_THAT(differing(/*ranks=*/2), IsEmpty());
  now["gradient_accumulation_steps"] = 4;
  EXPECT_THAT(differing(/*ranks=*/2), ElementsAre("--train_batch_size was 16 and is 4",
                                                  "--gradient_accumulation_steps was 1 and is 4"));
}

TEST_F(Resume, MayChangeTheNumberOfRanksAlone) { EXPECT_THAT(differing(/*ranks=*/2), IsEmpty()); }

TEST_F(Resume, MayChangeTheLengthUnlessTheScheduleDependsOnIt) {
  now["max_train_steps"] = 10;
  EXPECT_THAT(differing(), IsEmpty());
  saved["lr_scheduler"] = now["lr_scheduler"] = "cosine";
  EXPECT_THAT(differing(), ElementsAre("--max_train_steps was null and is 10"));
}

TEST_F(Resume, IgnoresOptionsThatOneOfTheVersionsLacks) {
  saved.erase("compat");
  now.erase("bucketing");
  saved["of_an_older_version"] = 1;
  EXPECT_THAT(differing(), IsEmpty());
}

TEST_F(Resume, MayNameDataAndWeightsOtherwiseWhereTheyAreKnownByWhatTheyHold) {
  now["train_data_dir"] = "elsewhere";
  now["pretrained_model_name_or_path"] = "elsewhere";
  const auto differing = [&](const SameInputs& same) {
    return options_that_forbid_resume(table, saved, now, same).size();
  };
  EXPECT_EQ(differing({}), 2u);
  EXPECT_EQ(differing({.data = true}), 1u);
  EXPECT_EQ(differing({.data = true, .weights = true}), 0u);
}

}  // namespace
}  // namespace sdxl
