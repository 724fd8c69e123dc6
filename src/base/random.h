// Counter-based seeds. Every random number that shapes a result is a function of the run's seed,
// its purpose and a counter. It therefore does not depend on devices, ranks, workers or
// interruptions.
#pragma once

#include <cstdint>

namespace sdxl {

/// What a random stream is for.
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

/// The seed of element `index` of a stream: mix(run + (index * 8 + stream + 1) *
/// 0x9E3779B97F4A7C15) modulo 2^64, with SplitMix64's finaliser as mix (Steele, Lea, Flood 2014).
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
