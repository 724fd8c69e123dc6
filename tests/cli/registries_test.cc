// The lists of names in config/choices.h are those of the registries that they stand for.
#include <gmock/gmock.h>

#include <set>

#include "base/log.h"
#include "config/choices.h"
#include "config/validation.h"
#include "io/images/resize.h"
#include "lora/formats/registry.h"
#include "schedulers/registry.h"
#include "training/lr_schedule.h"
#include "training/optimizers/registry.h"
#include "training/trackers/registry.h"

namespace sdxl {
namespace {

using testing::UnorderedElementsAreArray;

TEST(Registries, HaveTheNamesOfTheChoices) {
  EXPECT_THAT(kOptimizers, UnorderedElementsAreArray(optimizer_names()));
  EXPECT_THAT(kLrSchedules, UnorderedElementsAreArray(lr_schedule_names()));
  EXPECT_THAT(kTrackers, UnorderedElementsAreArray(tracker_names()));
  EXPECT_THAT(kLoraFormats, UnorderedElementsAreArray(written_lora_formats()));
  EXPECT_THAT(scheduler_choices(), UnorderedElementsAreArray(scheduler_names()));
}

/// Whether the config accepts this optimizer with options that `set` sets.
template <typename Set>
bool accepts(const std::string& optimizer, const Set& set) {
  TrainConfig config{TrainKind::kFull};
  config.pretrained_model_name_or_path = "model";
  config.train_data_dir = "data";
  config.optimizer = optimizer;
  set(config);
  try {
    validate_train_config(config);
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST(Registries, HaveTheTraitsThatTheConfigAssumes) {
  for (const std::string& name : optimizer_names()) {
    const bool per_tensor = make_optimizer(name, {}, {})->traits().supports_per_tensor_step;
    EXPECT_EQ(accepts(name, [](TrainConfig& c) { c.fused_backward = true; }), per_tensor) << name;
    EXPECT_EQ(accepts(name, [](TrainConfig& c) { c.zero_stage = 1; }), per_tensor) << name;
  }
}

TEST(Registries, FindEveryResizeFilterAndLogLevel) {
  std::set<ResizeFilter> filters;
  for (const std::string& name : kResizeFilters) filters.insert(resize_filter_from_name(name));
  EXPECT_EQ(filters.size(), kResizeFilters.size());
  std::set<log::Level> levels;
  for (const std::string& name : kLogLevels) levels.insert(log::level_from_name(name));
  EXPECT_EQ(levels.size(), kLogLevels.size());
}

}  // namespace
}  // namespace sdxl
