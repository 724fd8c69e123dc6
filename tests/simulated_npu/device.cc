// Registers with ATen as PrivateUse1, as torch_npu does: the device guard counts devices, the hooks
// don't.
#include "simulated_npu/device.h"

#include <ATen/Functions.h>
#include <ATen/core/GeneratorForPrivateuseone.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "simulated_npu/memory.h"

namespace simulated_npu {
namespace {

thread_local c10::DeviceIndex current = 0;
thread_local c10::StreamId stream_of_device[kMostDevices] = {};

std::mutex postponed_mutex;
std::vector<std::function<void()>> postponed;

}  // namespace

c10::DeviceIndex device_count() {
  size_t count = 2;
  if (const char* given = std::getenv("SIMULATED_NPU_DEVICES")) count = std::stoul(given);
  if (const char* visible = std::getenv("ASCEND_RT_VISIBLE_DEVICES")) {
    const std::string list = visible;
    count = list.empty() ? 0 : size_t(std::count(list.begin(), list.end(), ',')) + 1;
  }
  return static_cast<c10::DeviceIndex>(std::min(count, kMostDevices));
}

c10::DeviceIndex current_device() { return current; }

void set_current_device(c10::DeviceIndex device) {
  TORCH_CHECK(device >= 0 && device < device_count(),
              "simulated NPU: there is no npu:", int(device));
  current = device;
}

void postpone(std::function<void()> work) {
  const std::lock_guard lock(postponed_mutex);
  postponed.push_back(std::move(work));
}

void do_postponed_work() {
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(postponed_mutex);
    work.swap(postponed);
  }
  for (const auto& item : work) item();
}

namespace {

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kDeviceType; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device before = getDevice();
    set_current_device(device.index());
    return before;
  }
  c10::Device getDevice() const override { return {kDeviceType, current}; }
  void setDevice(c10::Device device) const override { set_current_device(device.index()); }
  void uncheckedSetDevice(c10::Device device) const noexcept override { current = device.index(); }
  c10::DeviceIndex deviceCount() const noexcept override { return device_count(); }

  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::UNSAFE, device, stream_of_device[size_t(device.index())]);
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream getNewStream(c10::Device device, int) const override {
    static std::atomic<c10::StreamId> last = 0;
    return c10::Stream(c10::Stream::UNSAFE, device, ++last);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
    return getNewStream(device, 0);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    const c10::Stream before = getStream(stream.device());
    stream_of_device[size_t(stream.device_index())] = stream.id();
    return before;
  }
  bool queryStream(const c10::Stream&) const override {
    const std::lock_guard lock(postponed_mutex);
    return postponed.empty();
  }
  void synchronizeStream(const c10::Stream&) const override { do_postponed_work(); }
  void synchronizeDevice(c10::DeviceIndex) const override { do_postponed_work(); }

  void record(void** event, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {
    static int recorded;
    *event = &recorded;
  }
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return queryStream(getStream(getDevice())); }
  void synchronizeEvent(void*) const override { do_postponed_work(); }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

/// A generator of the device. Kernels refuse to draw from it, since all random numbers must come
/// from the CPU.
struct Generator final : c10::GeneratorImpl {
  explicit Generator(c10::DeviceIndex device)
      : GeneratorImpl({kDeviceType, device}, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)) {}
  void set_current_seed(uint64_t seed) override { state_ = {seed, 0}; }
  void set_offset(uint64_t offset) override { state_[1] = offset; }
  uint64_t get_offset() const override { return state_[1]; }
  uint64_t current_seed() const override { return state_[0]; }
  uint64_t seed() override { return state_[0] = 1; }
  void set_state(const c10::TensorImpl& state) override {
    std::memcpy(state_.data(), state.data(), sizeof state_);
  }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    at::Tensor state = at::empty({int64_t{sizeof state_}}, at::kByte);
    std::memcpy(state.data_ptr(), state_.data(), sizeof state_);
    return state.getIntrusivePtr();
  }
  GeneratorImpl* clone_impl() const override {
    auto* copy = new Generator(device_.index());
    copy->state_ = state_;
    return copy;
  }

 private:
  std::array<uint64_t, 2> state_{};  // seed, offset
};

/// Pinned memory: host memory whose addresses are recorded.
struct PinnedAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t size) override {
    void* block = std::malloc(std::max<size_t>(size, 1));
    const std::lock_guard lock(mutex);
    blocks[block] = size;
    return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t size) const override {
    default_copy_data(to, from, size);
  }
  static void release(void* block);
  bool holds(const void* pointer) {
    const std::lock_guard lock(mutex);
    auto found = blocks.upper_bound(const_cast<void*>(pointer));
    if (found == blocks.begin()) return false;
    --found;
    return pointer < static_cast<const char*>(found->first) + found->second;
  }
  std::mutex mutex;
  std::map<void*, size_t> blocks;
};

PinnedAllocator& pinned_allocator() {
  static auto* allocator = new PinnedAllocator;
  return *allocator;
}

void PinnedAllocator::release(void* block) {
  const std::lock_guard lock(pinned_allocator().mutex);
  pinned_allocator().blocks.erase(block);
  std::free(block);
}

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return device_count() > 0; }
  void init() const override {}
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  at::Generator getNewGenerator(c10::DeviceIndex device) const override {
    return at::make_generator<Generator>(device < 0 ? current : device);
  }
  c10::DeviceIndex getCurrentDevice() const override { return current; }
  bool isPinnedPtr(const void* pointer) const override { return pinned_allocator().holds(pointer); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_allocator(); }
};

[[maybe_unused]] const bool registered = [] {
  c10::register_privateuse1_backend("npu");
  c10::SetAllocator(kDeviceType, &allocator());
  static Hooks hooks;
  at::RegisterPrivateUse1HooksInterface(&hooks);
  return true;
}();

}  // namespace
}  // namespace simulated_npu

// The functions of CANN that device/npu.cc calls.
extern "C" {
__attribute__((visibility("default"))) const char* aclrtGetSocName() { return "Simulated NPU"; }
__attribute__((visibility("default"))) int aclrtGetMemInfo(int, size_t* free, size_t* total) {
  const auto [unused, all] =
      simulated_npu::allocator().getMemoryInfo(simulated_npu::current_device());
  *free = unused;
  *total = all;
  return 0;
}
}
