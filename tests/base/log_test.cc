// Log lines, redaction and progress.
#include "base/log.h"

#include "base/progress.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

const std::string kKey = "0123456789abcdef0123456789abcdef01234567";

TEST(Log, HidesTokens) {
  EXPECT_EQ(log::redacted("token hf_abcdefghijKLMNOPQRST12 end"), "token [redacted] end");
  EXPECT_EQ(log::redacted("hf_hub stays"), "hf_hub stays");
  EXPECT_EQ(log::redacted("https://user:pa55@host/x?a@b"), "https://[redacted]@host/x?a@b");
  EXPECT_EQ(log::redacted("WANDB_API_KEY=" + kKey), "WANDB_API_KEY=[redacted]");
}

TEST(Log, KeepsCommitsAndHashes) {
  const std::string path = "snapshots/" + kKey + "/unet";
  EXPECT_EQ(log::redacted(path), path);
  EXPECT_EQ(log::redacted("key " + kKey + "00"), "key " + kKey + "00");
}

TEST(Log, HidesRegisteredSecrets) {
  log::add_secret("correct horse");
  EXPECT_EQ(log::redacted("a correct horse, correct horse"), "a [redacted], [redacted]");
}

TEST(Log, KnowsItsLevels) {
  EXPECT_EQ(log::level_from_name("warning"), log::Level::kWarning);
  EXPECT_SDXL_ERROR(log::level_from_name("loud"), ExitStatus::kUsage, "--log_level 'loud'");
  log::set_level(log::Level::kWarning);
  EXPECT_FALSE(log::enabled(log::Level::kInfo));
  log::set_level(log::Level::kInfo);
  EXPECT_TRUE(log::enabled(log::Level::kInfo));
  EXPECT_FALSE(log::enabled(log::Level::kDebug));
}

TEST(Log, WritesOneLineWithoutControlCharacters) {
  testing::internal::CaptureStderr();
  log::warning("a\nb\x1b[31m");
  log::error("c");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "sdxl: warning: a\\x0Ab\\x1B[31m\nsdxl: error: c\n");
}

TEST(Log, HonoursNoColor) {
  ::setenv("FORCE_COLOR", "1", 1);
  EXPECT_TRUE(log::colour());
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(log::colour());
  ::unsetenv("NO_COLOR");
  ::unsetenv("FORCE_COLOR");
}

TEST(Progress, WritesAPlainLineInAPipe) {
  testing::internal::CaptureStderr();
  {
    Progress progress("Steps", 3, "step");
    progress.advance(3);
    progress.note("loss=0.1");
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::HasSubstr("Steps 100% 3/3 step, 0:00"));
  EXPECT_THAT(text, testing::HasSubstr("loss=0.1\n"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("\r")));
}

TEST(Progress, IsSilentBelowInfo) {
  log::set_level(log::Level::kWarning);
  testing::internal::CaptureStderr();
  { Progress("Steps", 3).advance(3); }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  log::set_level(log::Level::kInfo);
}

}  // namespace
}  // namespace sdxl
