// CPU generators for the random streams.
#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include "base/random.h"

namespace sdxl {

/// A fresh CPU generator for one (stream, index), to be used for that one purpose in float32.
inline at::Generator stream_generator(uint64_t run, Stream stream, uint64_t index) {
  return at::make_generator<at::CPUGeneratorImpl>(stream_seed(run, stream, index));
}

}  // namespace sdxl
