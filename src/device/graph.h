// Work of a device that is recorded once and queued again as a whole (include/sdxl/graphs.h).
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>

namespace sdxl {

class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  /// Queues the recorded work on the current stream: the same kernels on the same memory. Waits
  /// until the replay before this one has passed. Error(kFailure).
  virtual void replay() = 0;
};

/// Whether record() can do anything on `device`.
bool records_graphs(const at::Device& device);

/// Records what `work` queues, which must have run before as it is, so that nothing is set up in
/// it; it is not done before the first replay. Tensors that it makes keep their memory while they
/// or the graph live, and each replay writes them anew. Null, with a line in the log, where `work`
/// does what can't be recorded, such as waiting for the device.
std::unique_ptr<DeviceGraph> record_graph(const at::Device& device,
                                          const std::function<void()>& work);

}  // namespace sdxl
