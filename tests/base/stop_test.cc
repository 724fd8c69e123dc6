// Stop requests, random seeds, libraries.
#include "base/stop.h"

#include <signal.h>

#include "base/dynamic_library.h"
#include "base/random.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

TEST(Stop, IsRequestedByASignal) {
  install_stop_handlers();
  EXPECT_EQ(stop_requested(), 0);
  throw_if_stop_requested("testing");
  ::raise(SIGTERM);
  EXPECT_EQ(stop_requested(), SIGTERM);
  EXPECT_SDXL_ERROR(throw_if_stop_requested("testing"), ExitStatus::kInterrupted,
                    "stopped by SIGTERM while testing");
  request_stop(0);
}

TEST(Stop, KillsTheProcessOnASecondInterrupt) {
  EXPECT_EXIT(
      {
        install_stop_handlers();
        ::raise(SIGINT);
        ::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(Random, GivesTheDocumentedSeeds) {
  EXPECT_EQ(stream_seed(0, Stream::kShuffle, 0), 16294208416658607535u);
  EXPECT_EQ(stream_seed(0, Stream::kNoise, 0), 1961750202426094747u);
  EXPECT_EQ(stream_seed(42, Stream::kNoise, 1), 9470486766231111398u);
  EXPECT_EQ(stream_seed(42, Stream::kTimestep, 123456789), 12964146863383894812u);
}

TEST(DynamicLibrary, NamesAMissingLibrary) {
  EXPECT_SDXL_ERROR(DynamicLibrary("libno_such_thing.so"), ExitStatus::kUnavailable,
                    "'libno_such_thing.so'");
  const DynamicLibrary library("libm.so.6");
  EXPECT_EQ(library.function<double(double)>("cos")(0), 1);
  EXPECT_EQ(library.symbol("no_such_symbol"), nullptr);
}

}  // namespace
}  // namespace sdxl
