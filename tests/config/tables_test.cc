// What holds for the rows of all option tables.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "config/cache_config.h"
#include "config/convert_config.h"
#include "config/devices_config.h"
#include "config/download_config.h"
#include "config/infer_config.h"
#include "config/tokenize_config.h"

namespace sdxl {
namespace {

using Table = std::vector<Option>;

template <typename Config>
Table table_of(Table (*table)(Config&)) {
  Config config;
  return table(config);
}

Table training_table() {
  TrainConfig config(TrainKind::kLora);
  return train_table(config);
}

std::vector<Table> all_tables() {
  return {training_table(),         table_of(infer_table),   table_of(cache_table),
          table_of(download_table), table_of(convert_table), table_of(devices_table),
          table_of(tokenize_table)};
}

std::set<std::string> names_where(const Table& table, bool (*holds)(const OptionRule&)) {
  std::set<std::string> names;
  for (const Option& option : table) {
    if (holds(option.rule)) names.insert(option.name);
  }
  return names;
}

TEST(Tables, NamesAreUniqueAndDescribed) {
  for (const Table& table : all_tables()) {
    std::set<std::string> names;
    for (const Option& option : table) {
      EXPECT_TRUE(names.insert(option.name).second) << option.name;
      EXPECT_FALSE(option.help.empty() || option.group.empty()) << option.name;
      EXPECT_EQ(option.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"),
                std::string::npos);
    }
  }
}

TEST(Tables, EveryTrainingOptionStatesWhatItShapes) {
  for (const Option& option : training_table()) {
    EXPECT_TRUE(option.rule.shapes || option.rule.flag_only)
        << "--" << option.name << ": state .shapes in its row: kResult if a resumed run must keep "
        << "its value, kNothing if it may change it";
  }
}

TEST(Tables, ConditionsNameOptionsAndChoicesOfTheSameTable) {
  for (const Table& table : all_tables()) {
    const auto find = [&](const std::string& name) {
      return std::find_if(table.begin(), table.end(),
                          [&](const Option& option) { return option.name == name; });
    };
    for (const Option& option : table) {
      for (const std::string& name : option.rule.needs) EXPECT_NE(find(name), table.end()) << name;
      if (!option.rule.only_with) continue;
      const auto other = find(option.rule.only_with->option);
      ASSERT_NE(other, table.end()) << option.name;
      for (const std::string& choice : option.rule.only_with->choices) {
        const auto& known = other->rule.choices;
        EXPECT_NE(std::find(known.begin(), known.end(), choice), known.end()) << choice;
      }
    }
  }
}

TEST(Tables, APromptFileMaySetWhatIsOfOnePicture) {
  EXPECT_EQ(
      names_where(table_of(infer_table), [](const OptionRule& rule) { return rule.per_picture; }),
      (std::set<std::string>{"prompt_2", "negative_prompt", "negative_prompt_2", "seed", "height",
                             "width", "num_inference_steps", "guidance_scale", "guidance_rescale",
                             "original_size", "crops_coords_top_left", "target_size", "clip_skip",
                             "num_images_per_prompt"}));
}

TEST(Tables, RanksMayDifferInWhatIsOfOneProcess) {
  EXPECT_EQ(
      names_where(training_table(), [](const OptionRule& rule) { return rule.per_process; }),
      (std::set<std::string>{"local_rank", "num_threads", "log_level", "dataloader_num_workers"}));
}

TEST(Tables, OnlyHowARunStartsIsNotSavedWithIt) {
  EXPECT_EQ(names_where(training_table(), [](const OptionRule& rule) { return rule.start_only; }),
            (std::set<std::string>{"allow_other_data", "resume_from_checkpoint",
                                   "overwrite_output_dir"}));
}

}  // namespace
}  // namespace sdxl
