// The help of every command, as in help/COMMAND.txt and help/sdxl.txt. After a change of an option,
// write the files again:
//
//   SDXL_WRITE_HELP=1 build/tests/test_cli --gtest_filter='Help.*'
#include "cli/help.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <set>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/text.h"

namespace sdxl {
namespace {

void expect_help(const std::string& name, const std::string& text) {
  const fs::path file = fs::path(SDXL_SOURCE_DIR) / "tests/cli/help" / (name + ".txt");
  if (std::getenv("SDXL_WRITE_HELP") != nullptr) write_file_atomically(file, text);
  EXPECT_EQ(fs::exists(file) ? read_file(file) : "", text)
      << "If the change is meant: SDXL_WRITE_HELP=1 build/tests/test_cli --gtest_filter='Help.*'";
  for (const std::string& line : split(text, '\n')) EXPECT_LE(line.size(), 100U) << line;
}

TEST(Help, IsAsInTheFiles) {
  const auto commands = all_commands();
  expect_help("sdxl", overview_help(commands));
  for (const auto& command : commands) expect_help(command->name(), command_help(*command));
}

TEST(Help, LeavesOutTheOptionsOfTheOtherTrainingCommand) {
  std::set<std::string> with_rank;
  for (const auto& command : all_commands()) {
    if (command_help(*command).find("--rank N") != std::string::npos)
      with_rank.insert(command->name());
  }
  EXPECT_THAT(with_rank, testing::ElementsAre("cache", "train-lora"));
}

}  // namespace
}  // namespace sdxl
