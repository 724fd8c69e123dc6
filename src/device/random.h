// Generators for the random streams of base/random.h.
#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include "base/random.h"

namespace sdxl {

/// A new CPU generator, seeded for element `index` of a stream. Draw float32 numbers for that one
/// purpose only.
inline at::Generator stream_generator(uint64_t run, Stream stream, uint64_t index) {
  return at::make_generator<at::CPUGeneratorImpl>(stream_seed(run, stream, index));
}

}  // namespace sdxl
