#include "hub/options.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

/// Sets variables for one test and unsets all others of the Hub.
class HubEnvironment : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
          "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT",
          "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_DISABLE_SYMLINKS", "HF_HUB_ETAG_TIMEOUT",
          "HF_HUB_DOWNLOAD_TIMEOUT", "XDG_CACHE_HOME"}) {
      ::unsetenv(name);
    }
    set("HOME", home_.path().string());
  }
  void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }

  test::TemporaryDirectory home_;
};

TEST_F(HubEnvironment, HasPythonsDefaults) {
  const HubOptions options = hub_options_from_environment();
  EXPECT_EQ(options.endpoint, "https://huggingface.co");
  EXPECT_EQ(options.cache, home_ / ".cache/huggingface/hub");
  EXPECT_EQ(options.token, "");
  EXPECT_FALSE(options.offline);
}

TEST_F(HubEnvironment, TakesTheCacheFromTheMostSpecificVariable) {
  set("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(hub_options_from_environment().cache, "/xdg/huggingface/hub");
  set("HF_HOME", "~/hf");
  EXPECT_EQ(hub_options_from_environment().cache, home_ / "hf/hub");
  set("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(hub_options_from_environment().cache, "/old");
  set("HF_HUB_CACHE", "$HOME/a${HF_HOME}b");
  EXPECT_EQ(hub_options_from_environment().cache, home_.path().string() + "/a~/hfb");
}

TEST_F(HubEnvironment, TakesTheTokenFromVariablesOrTheFile) {
  make_directories(home_ / ".cache/huggingface");
  write_file_atomically(home_ / ".cache/huggingface/token", " hf_of_file\n");
  EXPECT_EQ(hub_options_from_environment().token, "hf_of_file");
  set("HF_TOKEN", "hf_of_variable\n");
  EXPECT_EQ(hub_options_from_environment().token, "hf_of_variable");
  set("HF_TOKEN", "");
  set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "yes");
  EXPECT_EQ(hub_options_from_environment().token, "");
}

TEST_F(HubEnvironment, RefusesATokenWithLineBreaksWithoutPrintingIt) {
  set("HF_TOKEN", "hf_x\r\nHost: evil");
  EXPECT_SDXL_ERROR(hub_options_from_environment(), ExitStatus::kUsage, "token");
}

TEST_F(HubEnvironment, ReadsEndpointOfflineAndTimeouts) {
  set("HF_ENDPOINT", "https://hf-mirror.com//");
  set("HF_HUB_OFFLINE", "on");
  set("HF_HUB_ETAG_TIMEOUT", "2.5");
  const HubOptions options = hub_options_from_environment();
  EXPECT_EQ(options.endpoint, "https://hf-mirror.com");
  EXPECT_TRUE(options.offline);
  EXPECT_EQ(options.api_timeout, 2.5);
  set("HF_HUB_ETAG_TIMEOUT", "soon");
  EXPECT_SDXL_ERROR(hub_options_from_environment(), ExitStatus::kUsage, "HF_HUB_ETAG_TIMEOUT");
  set("HF_HUB_ETAG_TIMEOUT", "");
  set("HF_ENDPOINT", "ftp://x");
  EXPECT_SDXL_ERROR(hub_options_from_environment(), ExitStatus::kUsage, "HF_ENDPOINT");
}

}  // namespace
}  // namespace sdxl
