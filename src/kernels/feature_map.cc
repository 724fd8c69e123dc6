#include "kernels/feature_map.h"

#include "device/device.h"

namespace sdxl {

at::Tensor in_activation_layout(const at::Tensor& feature_map) {
  if (!prefers_channels_last(feature_map.device())) return feature_map;
  return feature_map.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor tokens_of(const at::Tensor& feature_map) {
  return feature_map.permute({0, 2, 3, 1}).flatten(1, 2);
}

at::Tensor feature_map_of(const at::Tensor& tokens, int64_t height, int64_t width) {
  return tokens.unflatten(1, {height, width}).permute({0, 3, 1, 2});
}

}  // namespace sdxl
