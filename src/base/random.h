// Seeds of the random streams: every number that shapes a result is a function of the run's seed,
// what it is for, and a counter, so that it does not depend on devices, ranks, workers or
// interruptions.
#pragma once

#include <cstdint>

namespace sdxl {

enum class Stream : uint64_t {
  kShuffle = 0,
  kImage = 1,
  kCaption = 2,
  kPosterior = 3,
  kNoise = 4,
  kOffset = 5,
  kTimestep = 6,
  kWeights = 7
};

/// mix(run + (index * 8 + stream + 1) * 0x9E3779B97F4A7C15) modulo 2^64, mix being SplitMix64's
/// finaliser (Steele, Lea and Flood 2014).
constexpr uint64_t stream_seed(uint64_t run, Stream stream, uint64_t index) {
  uint64_t x = run + (index * 8 + static_cast<uint64_t>(stream) + 1) * 0x9E3779B97F4A7C15u;
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  x ^= x >> 31;
  return x;
}

}  // namespace sdxl
