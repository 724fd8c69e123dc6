// Implements include/sdxl/graphs.h by LibTorch's CUDAGraph, whose symbols are found in the
// libtorch_cuda.so that the process has opened. CUDAGraph allocates from a private pool during a
// capture; this file cleans up what a failed capture leaves open in allocators and generators.
#include "sdxl/graphs.h"

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>

#include <array>
#include <exception>
#include <map>
#include <memory>

#include "plugins/cuda/messages.h"

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

/// One stream for each device, since cuBLAS keeps a workspace for every stream it has seen.
c10::cuda::CUDAStream capture_stream() {
  static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  const c10::DeviceIndex device = c10::cuda::current_device();
  const auto found = streams.find(device);
  if (found != streams.end()) return found->second;
  return streams.emplace(device, c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device))
      .first->second;
}

template <typename Function>
void ignoring_errors(const Function& function) {
  try {
    function();
  } catch (const std::exception&) {
    // There was nothing to close.
  }
}

class Graph : public at::cuda::CUDAGraph {
 public:
  Graph() : before_(c10::cuda::getCurrentCUDAStream()), stream_(capture_stream()) {
    for (cudaEvent_t& event : passed_) {
      C10_CUDA_CHECK(cudaEventCreateWithFlags(&event, kEventFlags));
    }
  }
  ~Graph() {
    cudaDeviceSynchronize();
    for (cudaEvent_t event : passed_) cudaEventDestroy(event);
    reset();
    ignoring_errors([] { allocator::emptyCache(); });
  }

  void begin() {
    {
      const c10::cuda::CUDAStreamGuard on_stream(stream_);
      at::cuda::getCurrentCUDABlasHandle();  // its workspace must outlive the graph's pool
    }
    c10::cuda::device_synchronize();
    allocator::emptyCache();
    c10::cuda::setCurrentCUDAStream(stream_);
    try {
      capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    } catch (...) {
      abandon();
      throw;
    }
  }

  void end() {
    try {
      capture_end();
    } catch (...) {
      abandon();
      throw;
    }
    c10::cuda::setCurrentCUDAStream(before_);
  }

  /// Ends a failed capture in any state. capture_end() would stop at the first error and leave the
  /// rest open.
  void abandon() {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(stream_, &status) == cudaSuccess &&
        status != cudaStreamCaptureStatusNone) {
      cudaGraph_t unfinished = nullptr;
      cudaStreamEndCapture(stream_, &unfinished);
      if (unfinished != nullptr) cudaGraphDestroy(unfinished);
    }
    const c10::DeviceIndex device = stream_.device_index();
    auto* host = at::getHostAllocator(at::kCUDA);
    ignoring_errors([&] { allocator::endAllocateToPool(device, mempool_id_); });
    ignoring_errors([&] { host->end_allocate_to_pool(mempool_id_); });
    if (!capture_ended_) {
      ignoring_errors([&] { allocator::releasePool(device, mempool_id_); });
      ignoring_errors([&] { host->release_pool(mempool_id_); });
    }
    for (auto& [generator, increment] : captured_generator_states_) generator->capturing_ = false;
    cudaGetLastError();
    c10::cuda::setCurrentCUDAStream(before_);
  }

  /// Launches a replay, at most one ahead of the device: it never idles, and stops take effect
  /// soon.
  void queue() {
    replay();
    C10_CUDA_CHECK(cudaEventRecord(passed_[turn_], c10::cuda::getCurrentCUDAStream()));
    turn_ = 1 - turn_;
    C10_CUDA_CHECK(cudaEventSynchronize(passed_[turn_]));
  }

 private:
  static constexpr unsigned kEventFlags = cudaEventDisableTiming | cudaEventBlockingSync;

  c10::cuda::CUDAStream before_, stream_;
  std::array<cudaEvent_t, 2> passed_{};
  int turn_ = 0;
};

/// Returns 0, or -1 with the exception's message.
template <typename Function>
int reported(char* message, uint64_t message_size, const Function& function) {
  try {
    function();
    return 0;
  } catch (const c10::Error& error) {
    sdxl::put_message(error.what_without_backtrace(), message, message_size);
  } catch (const std::exception& error) {
    sdxl::put_message(error.what(), message, message_size);
  }
  return -1;
}

void* begin(char* message, uint64_t message_size) {
  std::unique_ptr<Graph> graph;
  const int error = reported(message, message_size, [&] {
    graph = std::make_unique<Graph>();
    graph->begin();
  });
  return error == 0 ? graph.release() : nullptr;
}

int end(void* graph, int discard, char* message, uint64_t message_size) {
  return reported(message, message_size, [&] {
    if (discard != 0) {
      static_cast<Graph*>(graph)->abandon();
    } else {
      static_cast<Graph*>(graph)->end();
    }
  });
}

int replay(void* graph, char* message, uint64_t message_size) {
  return reported(message, message_size, [&] { static_cast<Graph*>(graph)->queue(); });
}

void release(void* graph) { delete static_cast<Graph*>(graph); }

constexpr sdxl_graphs kGraphs = {begin, end, replay, release};

}  // namespace

extern "C" __attribute__((visibility("default"))) const ::sdxl_graphs* sdxl_graphs_table(int abi) {
  return abi == SDXL_GRAPHS_ABI ? &kGraphs : nullptr;
}
