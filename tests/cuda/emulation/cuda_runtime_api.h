// Emulates CUDA kernels on the CPU, for tests without a GPU. The threads of a block are fibers that
// take turns; blocks run one after the other. Has only what the plugin's sources use;
// tests/cuda/emulation/launches.py rewrites their launches.
#pragma once

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <ucontext.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(...)

using __half = c10::Half;
using __nv_bfloat16 = c10::BFloat16;
using cudaStream_t = void*;

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3() = default;
  dim3(unsigned x, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct float2 {
  float x, y;
};
inline float2 make_float2(float x, float y) { return {x, y}; }

inline dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace emulation {

constexpr unsigned kWarpSize = 32;
constexpr size_t kStack = 64 * 1024;

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  dim3 index;
  bool done = false;
};

/// A barrier: the last thread to arrive releases all.
struct Barrier {
  unsigned expected = 0, arrived = 0, generation = 0;
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<Barrier> warps;
  std::vector<double> slots;  // the value each lane shows to its warp
  Barrier all;
  ucontext_t scheduler;
  size_t current = 0;
  std::function<void()> kernel;
  std::vector<char> shared;
};

inline Block block;

inline void run_fiber() {
  block.kernel();
  block.fibers[block.current].done = true;
  swapcontext(&block.fibers[block.current].context, &block.scheduler);
}

inline void wait(Barrier& barrier) {
  const unsigned generation = barrier.generation;
  if (++barrier.arrived == barrier.expected) {
    barrier.arrived = 0;
    ++barrier.generation;
    return;
  }
  while (barrier.generation == generation) {
    swapcontext(&block.fibers[block.current].context, &block.scheduler);
  }
}

inline void start_fibers() {
  const unsigned count = blockDim.x * blockDim.y * blockDim.z;
  block.fibers = std::vector<Fiber>(count);
  block.slots.assign(count, 0);
  block.all = {count};
  block.warps.assign((count + kWarpSize - 1) / kWarpSize, Barrier{});
  for (unsigned i = 0; i < count; ++i) {
    Fiber& fiber = block.fibers[i];
    ++block.warps[i / kWarpSize].expected;
    fiber.index = dim3(i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y);
    fiber.stack = std::make_unique_for_overwrite<char[]>(kStack);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStack;
    makecontext(&fiber.context, run_fiber, 0);
  }
}

inline void run_block() {
  start_fibers();
  for (bool left = true; left;) {
    left = false;
    for (size_t i = 0; i < block.fibers.size(); ++i) {
      if (block.fibers[i].done) continue;
      left = true;
      block.current = i;
      threadIdx = block.fibers[i].index;
      swapcontext(&block.scheduler, &block.fibers[i].context);
    }
  }
}

/// kernel<<<grid, threads, shared_bytes, stream>>>(…)
inline void launch(dim3 grid, dim3 threads, size_t shared_bytes, void*,
                   const std::function<void()>& kernel) {
  gridDim = grid;
  blockDim = threads;
  block.kernel = kernel;
  block.shared.resize(shared_bytes);
  for (unsigned y = 0; y < grid.y; ++y) {
    for (unsigned x = 0; x < grid.x; ++x) {
      blockIdx = dim3(x, y);
      run_block();
    }
  }
}

template <typename T>
T* shared() {
  return reinterpret_cast<T*>(block.shared.data());
}

/// The value that lane `lane` of this warp shows.
template <typename T>
T exchange(T value, unsigned lane) {
  const size_t self = block.current, warp = self / kWarpSize;
  block.slots[self] = static_cast<double>(value);
  wait(block.warps[warp]);
  const size_t other = warp * kWarpSize + lane;
  const T result =
      lane < kWarpSize && other < block.slots.size() ? static_cast<T>(block.slots[other]) : value;
  wait(block.warps[warp]);
  return result;
}

}  // namespace emulation

inline void __syncthreads() { emulation::wait(emulation::block.all); }
template <typename T>
T __shfl_down_sync(unsigned, T value, int offset) {
  return emulation::exchange(value, emulation::block.current % emulation::kWarpSize + offset);
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return emulation::exchange(value, (emulation::block.current % emulation::kWarpSize) ^ mask);
}

inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline uint32_t __float_as_uint(float x) { return std::bit_cast<uint32_t>(x); }
inline float __half2float(__half x) { return x; }
inline float __bfloat162float(__nv_bfloat16 x) { return x; }
inline __half __float2half_rn(float x) { return x; }
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return x; }

enum cudaError_t { cudaSuccess = 0 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice };
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
template <typename T>
cudaError_t cudaMalloc(T** memory, size_t size) {
  *memory = static_cast<T*>(std::malloc(size));
  return cudaSuccess;
}
inline cudaError_t cudaMemcpy(void* to, const void* from, size_t size, cudaMemcpyKind) {
  std::memcpy(to, from, size);
  return cudaSuccess;
}
