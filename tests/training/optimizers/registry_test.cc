#include "training/optimizers/registry.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace sdxl {
namespace {

TEST(OptimizerRegistry, MakesEachOptimizerByName) {
  for (const std::string& name : optimizer_names()) {
    EXPECT_NE(make_optimizer(name, {}, {}), nullptr) << name;
  }
}

TEST(OptimizerRegistry, RefusesAnArgumentOfAnotherOptimizer) {
  OptimizerOptions options;
  options.arguments = {{"d_coef", 2.0}};
  EXPECT_SDXL_ERROR(make_optimizer("lion", {}, options), ExitStatus::kUsage,
                    "--optimizer_args 'd_coef': lion takes beta2");
  EXPECT_SDXL_ERROR(make_optimizer("adamw", {}, options), ExitStatus::kUsage,
                    "adamw takes no arguments");
}

TEST(OptimizerRegistry, PassesArgumentsOn) {
  OptimizerOptions options;
  options.arguments = {{"d0", 0.25}};
  EXPECT_EQ(make_optimizer("prodigy", {}, options)->scalars()["d"], 0.25);
}

}  // namespace
}  // namespace sdxl
