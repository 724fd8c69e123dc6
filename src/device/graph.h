// Device work that is captured once and replayed as a whole, as CUDA graphs do
// (include/sdxl/graphs.h).
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>

namespace sdxl {

class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  /// Launches the captured kernels, on the same memory, on the current stream. First waits for the
  /// previous replay. Error(kFailure).
  virtual void replay() = 0;
};

/// Whether capture_graph() can work on `device`.
bool supports_graphs(const at::Device& device);

/// Captures the kernels that `work` launches without executing them. Run `work` once beforehand so
/// that lazy initialisation is not captured. Tensors that `work` creates keep their memory while
/// they or the graph live, and every replay overwrites them. Returns null, and logs why, if `work`
/// does something that cannot be captured, such as waiting for the device.
std::unique_ptr<DeviceGraph> capture_graph(const at::Device& device,
                                           const std::function<void()>& work);

}  // namespace sdxl
