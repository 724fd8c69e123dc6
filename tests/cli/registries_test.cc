// The lists of names in config/choices.h are those of the registries that they stand for.
#include <gmock/gmock.h>

#include <set>

#include "base/log.h"
#include "config/choices.h"
#include "io/resize.h"
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
