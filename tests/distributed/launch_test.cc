// Launchers' environment variables.
#include "distributed/launch.h"

#include <gtest/gtest.h>

#include <map>

#include "support/expect_error.h"

namespace sdxl {
namespace {

using Variables = std::map<std::string, std::string>;

Launch launch(const Variables& variables, int64_t local_rank = -1) {
  return read_launch(local_rank, [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

TEST(Launch, IsASingleProcessWithoutALauncher) {
  EXPECT_TRUE(launch({}).is_single());
  EXPECT_TRUE(launch({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).is_single());
  EXPECT_EQ(device_index(launch({})), 0);
}

TEST(Launch, ReadsTorchrun) {
  const Launch found = launch({{"RANK", "5"},
                               {"WORLD_SIZE", "8"},
                               {"LOCAL_RANK", "1"},
                               {"LOCAL_WORLD_SIZE", "4"},
                               {"MASTER_ADDR", "node7"},
                               {"MASTER_PORT", "29400"},
                               {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                               {"TORCHELASTIC_RESTART_COUNT", "2"}});
  EXPECT_EQ(found.rank, 5);
  EXPECT_EQ(found.size, 8);
  EXPECT_EQ(found.local_rank, 1);
  EXPECT_EQ(found.local_size, 4);
  EXPECT_EQ(found.address, "node7");
  EXPECT_EQ(found.port, 29400);
  EXPECT_TRUE(found.agent_has_store);
  EXPECT_EQ(found.attempt, 2);
}

TEST(Launch, ReadsMpirunOnOneMachineWithoutAnAddress) {
  const Launch found = launch({{"OMPI_COMM_WORLD_RANK", "1"},
                               {"OMPI_COMM_WORLD_SIZE", "2"},
                               {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                               {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  EXPECT_EQ(found.rank, 1);
  EXPECT_EQ(found.local_rank, 1);
  EXPECT_EQ(found.address, "127.0.0.1");
}

TEST(Launch, ReadsSrunAndTakesTheFirstHost) {
  const Launch found = launch({{"SLURM_PROCID", "9"},
                               {"SLURM_NTASKS", "16"},
                               {"SLURM_STEP_NUM_TASKS", "16"},
                               {"SLURM_LOCALID", "1"},
                               {"SLURM_STEP_TASKS_PER_NODE", "8(x2)"},
                               {"SLURM_STEP_NODELIST", "gpu[007-008]"},
                               {"SLURM_JOB_ID", "4711"}});
  EXPECT_EQ(found.rank, 9);
  EXPECT_EQ(found.local_size, 8);
  EXPECT_EQ(found.address, "gpu007");
  EXPECT_GE(found.port, 20000);
}

TEST(Launch, TreatsASlurmBatchScriptAsASingleProcess) {
  EXPECT_TRUE(launch({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "16"}}).is_single());
}

TEST(Launch, ParsesTheFirstHost) {
  EXPECT_EQ(first_host("login1"), "login1");
  EXPECT_EQ(first_host("a,b"), "a");
  EXPECT_EQ(first_host("gpu[007-012,20],login1"), "gpu007");
  EXPECT_EQ(first_host("rack[3,5]-node,x"), "rack3-node");
}

TEST(Launch, NamesMissingVariables) {
  EXPECT_SDXL_ERROR(launch({{"RANK", "0"}}), ExitStatus::kUsage, "RANK without WORLD_SIZE");
  EXPECT_SDXL_ERROR(launch({{"RANK", "0"}, {"WORLD_SIZE", "2"}}), ExitStatus::kUsage,
                    "export MASTER_ADDR");
  EXPECT_SDXL_ERROR(launch({{"RANK", "2"}, {"WORLD_SIZE", "2"}}), ExitStatus::kUsage,
                    "RANK is '2': it must be a whole number from 0 to 1");
}

TEST(Launch, PrefersTheLaunchersLocalRank) {
  const Variables plain = {{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}};
  EXPECT_EQ(device_index(launch(plain)), -1);
  EXPECT_EQ(device_index(launch(plain, 1)), 1);
  Variables told = plain;
  told["LOCAL_RANK"] = "0";
  EXPECT_EQ(device_index(launch(told, 1)), 0);
}

}  // namespace
}  // namespace sdxl
