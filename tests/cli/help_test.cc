// The help of every command, as in help/COMMAND.txt and help/sdxl.txt. After a change of an option,
// write the files again:
//
//   SDXL_WRITE_HELP=1 build/tests/test_cli --gtest_filter='Help.*'
#include "cli/help.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/files.h"
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
  for (const auto& command : all_commands()) {
    const std::string help = command_help(*command);
    if (command->name() == "train-full") EXPECT_THAT(help, Not(testing::HasSubstr("--rank N")));
    if (command->name() == "train-lora") EXPECT_THAT(help, testing::HasSubstr("--rank N"));
  }
}

}  // namespace
}  // namespace sdxl
