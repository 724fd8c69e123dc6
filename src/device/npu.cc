// Ascend NPU: torch_npu's libtorch_npu.so, which registers itself with ATen as PrivateUse1 named
// "npu" when it is opened. Nothing of torch_npu's headers is needed: devices are asked of ATen's
// hooks.
#include <ATen/Context.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstdlib>

#include "base/dynamic_library.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "device/back_end.h"
#include "device/fallbacks.h"
#include "device/library_search.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLibrary = "libtorch_npu.so";
constexpr const char* kSetEnv = "source /usr/local/Ascend/ascend-toolkit/set_env.sh";

/// Paddle's flags that users of NPUs set, as what torch_npu reads (docs/devices.md has the table).
void translate_flags() {
  auto is = [](const char* name, const char* value) {
    const char* given = std::getenv(name);
    return given && std::string(given) == value;
  };
  if (is("FLAGS_allocator_strategy", "auto_growth")) {
    setenv("PYTORCH_NPU_ALLOC_CONF", "expandable_segments:True", /*overwrite=*/0);
  }
}

class NpuBackEnd : public BackEnd {
 public:
  std::string name() const override { return "npu"; }
  c10::DeviceType type() const override { return c10::DeviceType::PrivateUse1; }

  void open() override {
    if (opened_) return;
    const fs::path folder = library_folder();
    translate_flags();
    open_library(folder);
    if (!at::isPrivateUse1HooksRegistered()) {
      throw Error(ExitStatus::kUnavailable,
                  str("npu: ", (folder / kLibrary).string(),
                      " was opened but registered no device: is it torch_npu 2.11?"));
    }
    if (count() == 0) {
      throw Error(ExitStatus::kUnavailable,
                  "npu: no device is visible; see npu-smi info and ASCEND_RT_VISIBLE_DEVICES");
    }
    opened_ = true;
  }

  void configure(const ComputeOptions& options) override {
    at::globalContext().setDeterministicAlgorithms(options.repeatable, /*warn_only=*/true);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    watch_fallbacks();
  }
  bool pins_memory() const override { return true; }

  std::vector<DeviceDescription> devices() override {
    open();
    std::vector<DeviceDescription> result;
    for (int i = 0; i < count(); ++i) result.push_back({str("npu:", i), "Ascend NPU", 0, ""});
    return result;
  }

  std::vector<std::pair<std::string, std::string>> versions() override {
    const fs::path folder = find_in(candidates(), kLibrary);
    const char* home = std::getenv("ASCEND_HOME_PATH");
    return {{kLibrary, folder.empty() ? "not found" : folder.string()},
            {"CANN", home ? home : std::string("not set up (") + kSetEnv + ")"}};
  }

 private:
  /// From the device guard: torch_npu's hooks don't count.
  static int count() {
    return c10::impl::getDeviceGuardImpl(c10::DeviceType::PrivateUse1)->deviceCount();
  }

  static std::vector<fs::path> candidates() {
    std::vector<fs::path> folders = directories_of("SDXL_TORCH_NPU_LIB");
    for (const fs::path& folder : python_package_folders("torch_npu/lib"))
      folders.push_back(folder);
    return folders;
  }

  static fs::path library_folder() {
    const fs::path folder = find_in(candidates(), kLibrary);
    if (!folder.empty()) return folder;
    throw Error(ExitStatus::kUnavailable,
                str("npu: ", kLibrary, " was not found (looked in ", listed(candidates()),
                    "): install torch-npu 2.11, or set SDXL_TORCH_NPU_LIB to the folder of its ",
                    kLibrary));
  }

  /// The Python build of the library needs libtorch_python and libpython, which this process lacks.
  static void open_python_libraries(const fs::path& folder) {
    std::vector<fs::path> folders = {folder, folder.parent_path().parent_path() / "torch/lib"};
    for (const fs::path& other : python_package_folders("torch/lib")) folders.push_back(other);
    for (int minor = 14; minor >= 9; --minor) {
      try {
        DynamicLibrary(str("libpython3.", minor, ".so.1.0"), /*global=*/true);
        break;
      } catch (const Error&) {
        continue;
      }
    }
    const fs::path found = find_in(folders, "libtorch_python.so");
    if (!found.empty()) DynamicLibrary(found / "libtorch_python.so", /*global=*/true);
  }

  static void open_library(const fs::path& folder) {
    try {
      DynamicLibrary(folder / kLibrary, /*global=*/true);
      return;
    } catch (const Error& error) {
      const std::string problem = error.what();
      if (problem.find("libtorch_python") == std::string::npos &&
          problem.find("Py") == std::string::npos) {
        explain(folder, problem);
      }
    }
    try {
      open_python_libraries(folder);
      DynamicLibrary(folder / kLibrary, /*global=*/true);
    } catch (const Error& error) {
      explain(folder, error.what());
    }
  }

  [[noreturn]] static void explain(const fs::path& folder, const std::string& problem) {
    std::string remedy = "is it torch-npu 2.11 for this platform?";
    for (const char* library :
         {"libhccl", "libascend", "libacl", "libge_", "libgraph", "libruntime"}) {
      if (problem.find(library) != std::string::npos) remedy = str("CANN is not set up: ", kSetEnv);
    }
    if (problem.find("libtorch_python") != std::string::npos ||
        problem.find("libpython") != std::string::npos) {
      remedy =
          "this build of torch_npu needs Python's libraries: put the folders of libpython3 and "
          "libtorch_python.so into LD_LIBRARY_PATH, or use its C++ build";
    }
    throw Error(ExitStatus::kUnavailable, str("npu: cannot open ", (folder / kLibrary).string(),
                                              ": ", problem, "; ", remedy));
  }

  bool opened_ = false;
};

}  // namespace

std::unique_ptr<BackEnd> make_npu_back_end() { return std::make_unique<NpuBackEnd>(); }

}  // namespace sdxl
