// CUDA. Opens libtorch_cuda.so from beside LibTorch, a Python installation or SDXL_TORCH_LIB. Asks
// the driver for devices, so that `sdxl devices` opens nothing large.
#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/util/Exception.h>
#include <torch/headeronly/version.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <type_traits>

#include "base/dynamic_library.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/text.h"
#include "device/back_end.h"
#include "device/library_search.h"
#include "device/paddle_flags.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTorchCudaLibrary = "libtorch_cuda.so";
constexpr const char* kPlugin = "libsdxl_cuda.so";
constexpr int kMinDriver = 13000;   // the CUDA version of the pinned LibTorch
constexpr int kMinCapability = 75;  // of the devices that it has kernels for
/// The libraries that libtorch_cuda.so needs, each after those it needs itself.
constexpr const char* kNeeded[] = {
    "libcudart.so.13",      "libnvJitLink.so.13", "libnvrtc.so.13", "libcublasLt.so.13",
    "libcublas.so.13",      "libcurand.so.10",    "libcufft.so.12", "libcusparse.so.12",
    "libcusparseLt.so.0",   "libcusolver.so.12",  "libcudnn.so.9",  "libnccl.so.2",
    "libnvshmem_host.so.3", "libcufile.so.0"};

/// The functions of the driver API (cuda.h) that count and describe devices.
class Driver {
 public:
  Driver() : library_("libcuda.so.1") {
    check(library_.function<int(unsigned)>("cuInit")(0), "cuInit");
  }
  int version() const {
    int version = 0;
    library_.function<int(int*)>("cuDriverGetVersion")(&version);
    return version;
  }
  int count() const {
    int count = 0;
    check(library_.function<int(int*)>("cuDeviceGetCount")(&count), "cuDeviceGetCount");
    return count;
  }
  std::string model(int device) const {
    char name[256] = "";
    library_.function<int(char*, int, int)>("cuDeviceGetName")(name, sizeof name, device);
    return name;
  }
  uint64_t memory(int device) const {
    size_t bytes = 0;
    library_.function<int(size_t*, int)>("cuDeviceTotalMem_v2")(&bytes, device);
    return bytes;
  }
  int capability(int device) const {
    constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
    int major = 0, minor = 0;
    auto* attribute = library_.function<int(int*, int, int)>("cuDeviceGetAttribute");
    attribute(&major, kMajor, device);
    attribute(&minor, kMinor, device);
    return major * 10 + minor;
  }

 private:
  static void check(int result, const char* call) {
    constexpr int kNoDevice = 100;
    if (result == 0) return;
    if (result == kNoDevice) {
      throw Error(
          ExitStatus::kUnavailable,
          "cuda: the NVIDIA driver finds no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES");
    }
    throw Error(ExitStatus::kUnavailable, "cuda: the NVIDIA driver's ", call, " failed with error ",
                result, ": check that nvidia-smi works");
  }

  DynamicLibrary library_;
};

/// Logs PyTorch's warnings, mostly about non-deterministic operators, at level debug.
class QuietWarnings : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override { log::debug(warning.msg()); }
};

class CudaBackEnd : public BackEnd {
 public:
  std::string name() const override { return "cuda"; }
  c10::DeviceType type() const override { return c10::DeviceType::CUDA; }

  void open() override {
    if (opened_) return;
    if (driver().count() == 0) {
      throw Error(ExitStatus::kUnavailable, "cuda: no GPU is visible: check CUDA_VISIBLE_DEVICES");
    }
    const fs::path folder = library_folder();
    refuse_old_driver(folder);
    translate_flags();
    open_needed(folder);
    open_torch_cuda(folder);
    if (!at::detail::getCUDAHooks().hasCUDA()) {
      throw Error(ExitStatus::kUnavailable, "cuda: ", (folder / kTorchCudaLibrary).string(),
                  " finds no usable device: check that nvidia-smi works");
    }
    at::globalContext().lazyInitDevice(type());
    open_plugin();
    opened_ = true;
  }

  /// Keeps PyTorch's default of TF32 in convolutions and float32 in matrix products, unless
  /// allow_tf32.
  void configure(const ComputeOptions& options) override {
    at::Context& context = at::globalContext();
    context.setAllowTF32CuBLAS(options.allow_tf32);
    context.setBenchmarkCuDNN(flag("FLAGS_cudnn_exhaustive_search", false));
    const bool repeatable = flag("FLAGS_cudnn_deterministic", options.repeatable);
    context.setDeterministicCuDNN(repeatable);
    context.setDeterministicAlgorithms(repeatable, /*warn_only=*/true);
    context.setDeterministicFillUninitializedMemory(false);
    static QuietWarnings warnings;
    c10::WarningUtils::set_warning_handler(&warnings);
  }

  bool prefers_channels_last() const override { return true; }
  bool pins_memory() const override { return true; }
  const sdxl_operators* operators() const override { return operators_; }
  const sdxl_graphs* graphs() const override { return graphs_; }

  std::vector<DeviceDescription> devices() override {
    std::vector<DeviceDescription> result;
    for (int i = 0; i < driver().count(); ++i) {
      const int capability = driver().capability(i);
      std::string note = str("compute capability ", capability / 10, '.', capability % 10);
      if (capability < kMinCapability) {
        note +=
            "; the pinned LibTorch has no kernels for it: use one built for CUDA 12 "
            "(SDXL_TORCH_LIB)";
      }
      result.push_back({str("cuda:", i), driver().model(i), driver().memory(i), note});
    }
    return result;
  }

  std::vector<std::pair<std::string, std::string>> versions() override {
    const int version = driver().version();
    std::vector<std::pair<std::string, std::string>> result = {
        {"NVIDIA driver", str("for CUDA ", version / 1000, '.', version % 1000 / 10)}};
    const fs::path folder = find_in(candidates(), kTorchCudaLibrary);
    result.emplace_back(kTorchCudaLibrary, folder.empty() ? "not found" : folder.string());
    const fs::path plugin = binary_directory() / kPlugin;
    result.emplace_back(
        kPlugin, fs::exists(plugin) ? plugin.string() : "missing: LibTorch's operators are used");
    return result;
  }

 private:
  const Driver& driver() {
    if (driver_) return *driver_;
    try {
      driver_.emplace();
    } catch (const Error& error) {
      if (std::string(error.what()).find("libcuda.so.1") == std::string::npos) throw;
      throw Error(ExitStatus::kUnavailable,
                  "cuda: no NVIDIA driver (libcuda.so.1 is missing): install it, or start the "
                  "container with --gpus all");
    }
    return *driver_;
  }

  static std::vector<fs::path> candidates() {
    std::vector<fs::path> folders = directories_of("SDXL_TORCH_LIB");
    folders.push_back(torch_library_folder());
    for (const fs::path& folder : python_package_folders("torch/lib")) {
      if (has_our_version(folder)) folders.push_back(folder);
    }
    return folders;
  }

  /// Whether a Python's torch has the version of this binary's LibTorch; others lack symbols.
  static bool has_our_version(const fs::path& torch_lib) {
    const fs::path file = torch_lib.parent_path() / "version.py";
    std::error_code error;
    if (!fs::exists(file, error)) return true;
    const std::string ours = str("'", TORCH_VERSION_MAJOR, '.', TORCH_VERSION_MINOR, '.');
    return read_file(file).find(ours) != std::string::npos;
  }

  static void open_torch_cuda(const fs::path& folder) {
    try {
      const DynamicLibrary library(folder / kTorchCudaLibrary, /*global=*/true);
    } catch (const Error& problem) {
      throw Error(ExitStatus::kUnavailable, "cuda: ", problem.what(), ": is it LibTorch ",
                  TORCH_VERSION_MAJOR, '.', TORCH_VERSION_MINOR, " with its CUDA libraries?");
    }
  }

  static fs::path library_folder() {
    const fs::path folder = find_in(candidates(), kTorchCudaLibrary);
    if (!folder.empty()) return folder;
    throw Error(ExitStatus::kUnavailable, "cuda: ", kTorchCudaLibrary, " is not in ",
                listed(candidates()),
                ": pip install torch==2.11.0 in a virtual environment and activate it, or set "
                "SDXL_TORCH_LIB to the lib folder of a LibTorch 2.11 with CUDA");
  }

  void refuse_old_driver(const fs::path& folder) {
    const bool chosen = find_in(directories_of("SDXL_TORCH_LIB"), kTorchCudaLibrary) == folder;
    if (chosen || driver().version() >= kMinDriver) return;
    const int version = driver().version();
    throw Error(ExitStatus::kUnavailable, "cuda: the NVIDIA driver supports CUDA ", version / 1000,
                '.', version % 1000 / 10,
                " and LibTorch needs 13.0: update the driver to 580 or newer, or set "
                "SDXL_TORCH_LIB to a LibTorch 2.11 built for an older CUDA");
  }

  /// Sets the environment variables that PyTorch's libraries read when they are opened, unless the
  /// user has set them: Paddle's limit of cuDNN's workspace in MB, cuBLAS's workspaces for
  /// deterministic sums, and growing segments, which keep reserved memory close to used memory.
  static void translate_flags() {
    const std::string limit = environment("FLAGS_conv_workspace_size_limit");
    if (!limit.empty()) setenv("CUDNN_CONV_WSCAP_DBG", limit.c_str(), /*overwrite=*/0);
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
    if (environment("PYTORCH_CUDA_ALLOC_CONF").empty()) {
      setenv("PYTORCH_ALLOC_CONF", "expandable_segments:True", /*overwrite=*/0);
    }
  }

  /// One of Paddle's boolean environment variables.
  static bool flag(const char* name, bool fallback) {
    const std::string value = environment(name);
    return value.empty() ? fallback : is_true(value);
  }

  /// Opens the CUDA toolkit's libraries that lie beside torch; the loader finds the others itself.
  static void open_needed(const fs::path& folder) {
    const fs::path packages = folder.parent_path().parent_path() / "nvidia";
    std::vector<fs::path> folders = {folder};
    std::error_code error;
    for (const char* part :
         {"cu13/lib", "cudnn/lib", "nccl/lib", "cusparselt/lib", "nvshmem/lib"}) {
      folders.push_back(packages / part);
    }
    folders.emplace_back("/usr/local/cuda/lib64");
    for (const char* name : kNeeded) {
      const fs::path found = find_in(folders, name);
      if (found.empty()) continue;
      try {
        DynamicLibrary(found / name, /*global=*/true);
      } catch (const Error& problem) {
        log::debug(str("cuda: ", problem.what()));
      }
    }
  }

  /// A function table of the plugin; null if it has none of this version.
  template <typename Entry>
  static auto table(const DynamicLibrary& plugin, const char* name, int abi) {
    auto* entry = plugin.function<std::remove_pointer_t<Entry>>(name);
    return entry != nullptr ? entry(abi) : nullptr;
  }

  /// Opens the plugin, which is optional: it only makes things faster.
  void open_plugin() {
    const fs::path path = binary_directory() / kPlugin;
    std::error_code error;
    if (!fs::exists(path, error)) return;
    try {
      const DynamicLibrary plugin(path);
      operators_ = table<sdxl_operators_entry>(plugin, "sdxl_operators_table", SDXL_OPERATORS_ABI);
      graphs_ = table<sdxl_graphs_entry>(plugin, "sdxl_graphs_table", SDXL_GRAPHS_ABI);
      if (operators_ == nullptr || graphs_ == nullptr) {
        log::warning(str("cuda: ", path.string(),
                         " belongs to another version of sdxl and is ignored: rebuild it"));
      }
    } catch (const Error& problem) {
      log::warning(str("cuda: continuing without fused operators and graphs: ", problem.what()));
    }
  }

  bool opened_ = false;
  std::optional<Driver> driver_;
  const sdxl_operators* operators_ = nullptr;
  const sdxl_graphs* graphs_ = nullptr;
};

}  // namespace

std::unique_ptr<BackEnd> make_cuda_back_end() { return std::make_unique<CudaBackEnd>(); }

}  // namespace sdxl
