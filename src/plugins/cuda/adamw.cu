// AdamW in one pass over weights, gradients and states of 32 or 8 bits. Gives the CPU's bits
// (training/optimizers/adamw.cc, adamw8bit.cc and block_loop.cc) and is compiled without
// contraction. A warp updates 256 elements, the block of one scale; a launch takes several tensors.
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/values.cuh"

namespace sdxl::kernels {
namespace {

constexpr int kBlock = 256, kPerLane = kBlock / kWarp;  // elements
constexpr int kWarpsPerBlock = 8;
constexpr int kTensorsPerLaunch = 24;  // kernel arguments stay under 4 KB

/// The values of the 8-bit codes, in device memory.
struct Maps {
  const float* values[2];  // unsigned, signed
};

struct Launch {
  sdxl_adamw_step step;
  Maps maps;
  int count;
  int64_t first[kTensorsPerLaunch + 1];  // blocks of 256 before each tensor
  sdxl_adamw_tensor tensors[kTensorsPerLaunch];
};

__device__ float read(const void* from, int32_t type, int64_t i) {
  if (type == SDXL_FLOAT32) return static_cast<const float*>(from)[i];
  if (type == SDXL_FLOAT16) return __half2float(static_cast<const __half*>(from)[i]);
  return __bfloat162float(static_cast<const __nv_bfloat16*>(from)[i]);
}

/// As narrow_bfloat16_stochastically() in block_loop.cc.
__device__ uint16_t rounded_stochastically(float value, uint32_t seed) {
  uint32_t hash = seed;
  hash = (hash ^ (hash >> 16)) * 0x7FEB352Du;
  hash = (hash ^ (hash >> 15)) * 0x846CA68Bu;
  hash ^= hash >> 16;
  const uint32_t bits = __float_as_uint(value);
  const uint32_t rounded = (bits + (hash & 0xFFFFu)) >> 16;
  return static_cast<uint16_t>((bits & 0x7FFFFFFFu) >= 0x7F800000u ? bits >> 16 : rounded);
}

__device__ void write_weight(const sdxl_adamw_tensor& tensor, int64_t i, float value) {
  if (tensor.weight_type == SDXL_BFLOAT16) {
    static_cast<uint16_t*>(tensor.weight)[i] =
        rounded_stochastically(value, tensor.rounding_seed + static_cast<uint32_t>(i));
    return;
  }
  static_cast<float*>(tensor.weight)[i] = value;
  if (tensor.working == nullptr) return;
  if (tensor.working_type == SDXL_FLOAT16) {
    static_cast<__half*>(tensor.working)[i] = __float2half_rn(value);
  } else {
    static_cast<__nv_bfloat16*>(tensor.working)[i] = __float2bfloat16_rn(value);
  }
}

/// The code of the nearest value: the number of midpoints between neighbours below x.
__device__ int nearest_code(const float* values, float x) {
  int low = 0, high = 255;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (x > (values[middle] + values[middle + 1]) / 2.0f) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/// The states of this lane: element k is element lane + 32 * k of the block.
struct Moments {
  float values[kPerLane];

  __device__ void read(const void* state, const float* scales, const float* map, int64_t block,
                       int64_t left) {
    const int lane = threadIdx.x % kWarp;
    const float scale = scales == nullptr ? 1.0f : scales[block];
    for (int k = 0; k < kPerLane; ++k) {
      const int64_t at = lane + k * kWarp;
      values[k] = 0.0f;
      if (at >= left) continue;
      const int64_t i = block * kBlock + at;
      values[k] = scales == nullptr ? static_cast<const float*>(state)[i]
                                    : map[static_cast<const uint8_t*>(state)[i]] * scale;
    }
  }

  __device__ void write(void* state, float* scales, const float* map, int64_t block,
                        int64_t left) const {
    const int lane = threadIdx.x % kWarp;
    float scale = 0.0f;
    for (int k = 0; k < kPerLane; ++k) scale = fmaxf(scale, fabsf(values[k]));
    for (int offset = kWarp / 2; offset > 0; offset /= 2) {
      scale = fmaxf(scale, __shfl_xor_sync(0xFFFFFFFFu, scale, offset));
    }
    if (scale == 0.0f) scale = 1.0f;
    if (scales != nullptr && lane == 0) scales[block] = scale;
    for (int k = 0; k < kPerLane; ++k) {
      const int64_t at = lane + k * kWarp;
      if (at >= left) continue;
      const int64_t i = block * kBlock + at;
      if (scales == nullptr) {
        static_cast<float*>(state)[i] = values[k];
      } else {
        static_cast<uint8_t*>(state)[i] =
            static_cast<uint8_t>(nearest_code(map, values[k] / scale));
      }
    }
  }
};

__device__ void update_block(const Launch& launch, const sdxl_adamw_tensor& tensor, int64_t block,
                             const float* unsigned_map, const float* signed_map) {
  const sdxl_adamw_step& step = launch.step;
  const int lane = threadIdx.x % kWarp;
  const int64_t left = tensor.size - block * kBlock;
  Moments mean, variance;
  mean.read(tensor.mean, tensor.mean_scales, signed_map, block, left);
  variance.read(tensor.variance, tensor.variance_scales, unsigned_map, block, left);
  for (int k = 0; k < kPerLane; ++k) {
    const int64_t at = lane + k * kWarp, i = block * kBlock + at;
    if (at >= left) continue;
    const float g = read(tensor.gradient, tensor.gradient_type, i) * step.gradient_scale;
    float m = mean.values[k], v = variance.values[k];
    if (step.lerp) {
      m = m + step.one_minus_beta1 * (g - m);
      v = v * step.beta2 + (step.one_minus_beta2 * g) * g;
    } else {
      m = m * step.beta1 + step.one_minus_beta1 * g;
      v = v * step.beta2 + step.one_minus_beta2 * g * g;
    }
    mean.values[k] = m;
    variance.values[k] = v;
    const float denominator = sqrtf(v) / step.correction2_sqrt + step.epsilon;
    const float weight = read(tensor.weight, tensor.weight_type, i);
    const float moved = step.lerp ? weight * tensor.decay + (-tensor.step_size * m) / denominator
                                  : weight * tensor.decay - tensor.step_size * m / denominator;
    write_weight(tensor, i, moved);
  }
  mean.write(tensor.mean, tensor.mean_scales, signed_map, block, left);
  variance.write(tensor.variance, tensor.variance_scales, unsigned_map, block, left);
}

__global__ void __launch_bounds__(kWarp* kWarpsPerBlock)
    update(const __grid_constant__ Launch launch) {
  __shared__ float maps[2][256];
  if (launch.maps.values[0] != nullptr) {
    maps[0][threadIdx.x] = launch.maps.values[0][threadIdx.x];
    maps[1][threadIdx.x] = launch.maps.values[1][threadIdx.x];
    __syncthreads();
  }
  const int64_t total = launch.first[launch.count];
  int tensor = 0;
  for (int64_t block = int64_t{blockIdx.x} * kWarpsPerBlock + threadIdx.x / kWarp; block < total;
       block += int64_t{gridDim.x} * kWarpsPerBlock) {
    while (block >= launch.first[tensor + 1]) ++tensor;
    update_block(launch, launch.tensors[tensor], block - launch.first[tensor], maps[0], maps[1]);
  }
}

/// The maps on the current device, copied on first use and kept.
int find_maps(const sdxl_adamw_step& step, Maps* maps) {
  constexpr int kMaxDevices = 64;
  static float* kept[kMaxDevices];
  *maps = {};
  if (step.signed_values == nullptr) return 0;
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess || device >= kMaxDevices) return launched();
  if (kept[device] == nullptr) {
    float* memory = nullptr;
    if (cudaMalloc(&memory, 2 * 256 * sizeof(float)) != cudaSuccess) return launched();
    constexpr size_t kBytes = 256 * sizeof(float);
    if (cudaMemcpy(memory, step.unsigned_values, kBytes, cudaMemcpyHostToDevice) != cudaSuccess ||
        cudaMemcpy(memory + 256, step.signed_values, kBytes, cudaMemcpyHostToDevice) !=
            cudaSuccess) {
      return launched();
    }
    kept[device] = memory;
  }
  *maps = {{kept[device], kept[device] + 256}};
  return 0;
}

}  // namespace

int adamw(const sdxl_adamw_step* step, const sdxl_adamw_tensor* tensors, int64_t count,
          void* stream) {
  Launch launch;
  launch.step = *step;
  if (const int error = find_maps(*step, &launch.maps); error != 0) return error;
  constexpr int64_t kMaxBlocks = 132 * 16;
  for (int64_t begin = 0; begin < count; begin += kTensorsPerLaunch) {
    launch.count =
        static_cast<int>(count - begin < kTensorsPerLaunch ? count - begin : kTensorsPerLaunch);
    launch.first[0] = 0;
    for (int i = 0; i < launch.count; ++i) {
      launch.tensors[i] = tensors[begin + i];
      launch.first[i + 1] = launch.first[i] + ceil_div(tensors[begin + i].size, kBlock);
    }
    const int64_t blocks = ceil_div(launch.first[launch.count], kWarpsPerBlock);
    if (blocks == 0) continue;
    update<<<static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks),
             kWarp * kWarpsPerBlock, 0, static_cast<cudaStream_t>(stream)>>>(launch);
    if (const int error = launched(); error != 0) return error;
  }
  return 0;
}

}  // namespace sdxl::kernels
