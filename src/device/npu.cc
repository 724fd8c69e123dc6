// Ascend NPUs. torch_npu's libtorch_npu.so registers itself with ATen as PrivateUse1 "npu" when it
// is opened. Its headers are not needed: ATen's device guard counts devices, and CANN's C functions
// describe them.
#include <ATen/Context.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <cstdlib>

#include "base/dynamic_library.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/text.h"
#include "device/back_end.h"
#include "device/fallbacks.h"
#include "device/library_search.h"
#include "device/npu_attention.h"
#include "device/paddle_flags.h"
#include "device/torch_npu_library.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

constexpr auto kType = c10::DeviceType::PrivateUse1;

/// Translates Paddle's flags that torch_npu's library reads when it is opened (docs/devices.md),
/// unless the user has set torch_npu's variables.
void translate_flags() {
  if (environment("FLAGS_allocator_strategy") == "auto_growth" &&
      environment("PYTORCH_ALLOC_CONF").empty()) {
    setenv("PYTORCH_NPU_ALLOC_CONF", "expandable_segments:True", /*overwrite=*/0);
  }
}

/// Translates Paddle's flags that are options of torch_npu. Also turns HF32 off unless allow_tf32,
/// since torch_npu rounds float32 convolutions to it by default.
void set_options(const ComputeOptions& options) {
  const char* hf32 = options.allow_tf32 ? "enable" : "disable";
  set_torch_npu_option("ALLOW_CONV_HF32", hf32);
  set_torch_npu_option("ALLOW_MATMUL_HF32", hf32);
  const std::string formats = environment("FLAGS_npu_storage_format");
  if (!formats.empty()) {
    set_torch_npu_option("ALLOW_INTERNAL_FORMAT", is_true(formats) ? "enable" : "disable");
  }
  const std::string compile = environment("FLAGS_npu_jit_compile");
  if (!compile.empty()) {
    set_torch_npu_option("jitCompile", is_true(compile) ? "enable" : "disable");
  }
}

/// The value of the line "version=…" in a file of Ascend's installers; "" if there is none.
std::string version_in(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return "";
  for (const std::string& line : split(read_file(file), '\n')) {
    const size_t equal = line.find('=');
    const std::string key = line.substr(0, equal);
    if (equal != std::string::npos && (key == "version" || key == "Version")) {
      return line.substr(equal + 1);
    }
  }
  return "";
}

std::string cann_version() {
  const fs::path home = environment("ASCEND_HOME_PATH");
  if (home.empty()) return str("not set up (ASCEND_HOME_PATH is not set): source ", kSetEnvScript);
  for (const char* file : {"version.info", "aarch64-linux/ascend_toolkit_install.info",
                           "x86_64-linux/ascend_toolkit_install.info", "runtime/version.info"}) {
    const std::string version = version_in(home / file);
    if (!version.empty()) return str(version, " in ", home.string());
  }
  return str("of unknown version in ", home.string());
}

template <typename Function>
Function* cann_function(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

class NpuBackEnd : public BackEnd {
 public:
  std::string name() const override { return "npu"; }
  c10::DeviceType type() const override { return kType; }

  void open() override {
    if (opened_) return;
    translate_flags();
    watch_fallbacks();
    open_torch_npu();
    if (!at::isPrivateUse1HooksRegistered()) {
      throw Error(ExitStatus::kUnavailable,
                  "npu: libtorch_npu.so registered no device: is it from torch_npu 2.11?");
    }
    if (device_count() == 0) {
      const char* visible = std::getenv("ASCEND_RT_VISIBLE_DEVICES");
      throw Error(ExitStatus::kUnavailable,
                  visible ? str("npu: no device is visible with ASCEND_RT_VISIBLE_DEVICES=",
                                quoted(visible), ": list devices that npu-smi info shows")
                          : std::string("npu: the driver finds no device: check npu-smi info, and "
                                        "pass /dev/davinci* to a container"));
    }
    opened_ = true;
  }

  /// Asks the device guard, since torch_npu's hooks don't count devices.
  int device_count() override { return c10::impl::getDeviceGuardImpl(kType)->deviceCount(); }

  /// Creates a tensor first, since torch_npu initialises CANN on the device of the first tensor.
  void use(const at::Device& device) override {
    at::empty({1}, at::TensorOptions(device).dtype(at::kFloat));
    c10::impl::VirtualGuardImpl(kType).setDevice(device);
  }

  void configure(const ComputeOptions& options) override {
    at::globalContext().setDeterministicAlgorithms(options.repeatable, /*warn_only=*/true);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    set_options(options);
    if (options.fused_attention) require_npu_attention();
    attention_ = options.fused_attention ? &npu_attention : nullptr;
  }
  FusedAttention attention() const override { return attention_; }
  bool pins_memory() const override { return true; }

  std::vector<DeviceDescription> devices() override {
    open();
    std::vector<DeviceDescription> result;
    for (int i = 0; i < device_count(); ++i) result.push_back(describe(i));
    return result;
  }

  std::vector<std::pair<std::string, std::string>> versions() override {
    const fs::path folder = find_in(torch_npu_folders(), "libtorch_npu.so");
    std::string torch_npu = "not found";
    if (!folder.empty()) torch_npu = str(torch_npu_version(folder), " in ", folder.string());
    const std::string driver = version_in("/usr/local/Ascend/driver/version.info");
    const fs::path plugin = binary_directory() / "libsdxl_npu.so";
    return {{"torch_npu", torch_npu},
            {"CANN", cann_version()},
            {"Ascend driver", driver.empty() ? "not found in /usr/local/Ascend/driver" : driver},
            {"libsdxl_npu.so", fs::exists(plugin) ? plugin.string() : "not built"}};
  }

 private:
  DeviceDescription describe(int index) {
    DeviceDescription description = {str("npu:", index), "Ascend NPU", 0, ""};
    try {
      use({kType, static_cast<c10::DeviceIndex>(index)});
    } catch (const c10::Error& error) {
      description.note = split(error.what_without_backtrace(), '\n').front();
      return description;
    }
    if (auto* name = cann_function<const char*()>("aclrtGetSocName")) {
      if (const char* model = name()) description.model = model;
    }
    constexpr int kHbmMemory = 1;  // ACL_HBM_MEM
    size_t free = 0, total = 0;
    auto* memory = cann_function<int(int, size_t*, size_t*)>("aclrtGetMemInfo");
    if (memory && memory(kHbmMemory, &free, &total) == 0) {
      description.memory = total;
      description.note = str(bytes_text(free), " free");
    }
    return description;
  }

  bool opened_ = false;
  FusedAttention attention_ = nullptr;
};

}  // namespace

std::unique_ptr<BackEnd> make_npu_back_end() { return std::make_unique<NpuBackEnd>(); }

}  // namespace sdxl
