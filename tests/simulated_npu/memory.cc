// Maps a sparse file in memory twice: without access, where tensors point to, and readable and
// writable at another address.
#include "simulated_npu/memory.h"

#include <c10/core/alignment.h>
#include <c10/util/Exception.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "simulated_npu/device.h"

namespace simulated_npu {
namespace {

constexpr size_t kArena = size_t{1} << 40;  // addresses, not memory
constexpr size_t kGranularity = 512;
constexpr size_t kReturned = size_t{1} << 20;  // larger blocks return their pages when freed

struct Arena {
  std::byte* device = nullptr;   // where tensors point to
  std::byte* kernels = nullptr;  // the same pages, readable and writable

  Arena() {
    const int file = memfd_create("simulated_npu", MFD_CLOEXEC);
    TORCH_CHECK(file >= 0 && ftruncate(file, kArena) == 0, "simulated NPU: no memory file");
    auto map = [file](int protection) {
      void* address =
          mmap(nullptr, kArena, protection, MAP_SHARED | MAP_NORESERVE, file, /*offset=*/0);
      TORCH_CHECK(address != MAP_FAILED, "simulated NPU: no address space");
      return static_cast<std::byte*>(address);
    };
    device = map(PROT_NONE);
    kernels = map(PROT_READ | PROT_WRITE);
    close(file);
  }
};

const Arena& arena() {
  static const Arena instance;
  return instance;
}

void write_text(const char* text) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
}

/// Ends the process if the host accesses device memory; passes on other faults.
void on_fault(int signal, siginfo_t* info, void*) {
  const auto* address = static_cast<const std::byte*>(info->si_addr);
  if (address < arena().device || address >= arena().device + kArena) {
    ::signal(signal, SIG_DFL);
    return;
  }
  write_text("simulated NPU: the host touched device memory\n");
  std::array<void*, 32> frames;
  backtrace_symbols_fd(frames.data(), backtrace(frames.data(), frames.size()), STDERR_FILENO);
  _exit(86);
}

void watch_faults() {
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
}

size_t capacity() {
  const char* megabytes = std::getenv("SIMULATED_NPU_MEMORY");
  return (megabytes ? std::strtoull(megabytes, nullptr, 10) : 4096) << 20;
}

class Allocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    const c10::Device device(kDeviceType, current_device());
    if (size == 0) return {nullptr, nullptr, &release, device};
    const size_t rounded = (size + kGranularity - 1) / kGranularity * kGranularity;
    void* block = take(rounded, device.index());
    std::memset(seen_by_kernels(block), 0xff, rounded);
    return {block, block, &release, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t size) const override {
    std::memcpy(seen_by_kernels(to), seen_by_kernels(from), size);
  }

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override {
    const std::lock_guard lock(mutex_);
    return stats_.at(size_t(device));
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex device) override {
    const std::lock_guard lock(mutex_);
    for (auto& stat : stats_.at(size_t(device)).allocated_bytes) stat.reset_peak();
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex device) override {
    const std::lock_guard lock(mutex_);
    return {capacity() - used(device), capacity()};
  }

  static Allocator& instance() {
    static Allocator allocator;
    return allocator;
  }

 private:
  Allocator() { watch_faults(); }

  size_t used(c10::DeviceIndex device) const {
    return size_t(stats_.at(size_t(device)).allocated_bytes[0].current);
  }

  void* take(size_t size, c10::DeviceIndex device) {
    const std::lock_guard lock(mutex_);
    TORCH_CHECK_WITH(OutOfMemoryError, used(device) + size <= capacity(),
                     "NPU out of memory: ", size, " bytes do not fit, ", capacity() - used(device),
                     " are free");
    stats_[size_t(device)].allocated_bytes[0].increase(size);
    std::vector<void*>& free = free_[size];
    void* block = nullptr;
    if (!free.empty()) {
      block = free.back();
      free.pop_back();
    } else {
      block = arena().device + end_;
      end_ += size;
      TORCH_CHECK(end_ <= kArena, "simulated NPU: the addresses are used up");
    }
    blocks_[block] = {size, device};
    return block;
  }

  static void release(void* block) {
    if (block != nullptr) instance().give_back(block);
  }

  void give_back(void* block) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(block);
    const auto [size, device] = found->second;
    blocks_.erase(found);
    stats_[size_t(device)].allocated_bytes[0].decrease(size);
    if (size >= kReturned) madvise(seen_by_kernels(block), size / 4096 * 4096, MADV_REMOVE);
    free_[size].push_back(block);
  }

  struct Block {
    size_t size;
    c10::DeviceIndex device;
  };
  std::mutex mutex_;
  std::map<void*, Block> blocks_;
  std::map<size_t, std::vector<void*>> free_;
  size_t end_ = 0;
  std::array<c10::CachingDeviceAllocator::DeviceStats, kMostDevices> stats_;
};

}  // namespace

c10::DeviceAllocator& allocator() { return Allocator::instance(); }

void* seen_by_kernels(const void* pointer) {
  if (pointer == nullptr) return nullptr;
  return arena().kernels + (static_cast<const std::byte*>(pointer) - arena().device);
}

}  // namespace simulated_npu
