// CUDA graphs, on LibTorch's own CUDAGraph, whose symbols are those of the libtorch_cuda.so that is
// open when this library is. It keeps what is allocated during a capture in a pool that nothing
// else takes from; here is what a failed capture leaves open in the allocators and generators.
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

/// One for each device, since cuBLAS keeps a workspace for every stream that it has seen.
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
    // What it would have closed was not open.
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
      at::cuda::getCurrentCUDABlasHandle();  // its workspace outlives the graph's memory
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

  /// Ends a capture that failed, whatever state it is in: capture_end() stops at the first error
  /// and would leave the rest open.
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

  /// The host stays one replay ahead: the device never waits for it, and a stop soon takes effect.
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

/// 0, or -1 with what `function` threw as the message.
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
