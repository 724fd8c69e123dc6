// Opens the libraries that libtorch_npu.so needs one by one, as the loader's errors name them.
#include "device/torch_npu_library.h"

#include <dlfcn.h>

#include "base/dynamic_library.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/text.h"
#include "device/library_search.h"
#include "device/python_for_torch_npu.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTorchNpuLibrary = "libtorch_npu.so";
constexpr const char* kSupportedVersion = "2.11";

fs::path library_folder() {
  const fs::path folder = find_in(torch_npu_folders(), kTorchNpuLibrary);
  if (!folder.empty()) return folder;
  const std::string given = environment("SDXL_TORCH_NPU_LIB");
  if (!given.empty()) {
    throw Error(ExitStatus::kUnavailable, "npu: SDXL_TORCH_NPU_LIB=", quoted(given), " holds no ",
                kTorchNpuLibrary,
                ": set it to the folder of this library, torch_npu/lib of the installed torch-npu "
                "2.11");
  }
  throw Error(
      ExitStatus::kUnavailable, "npu: no Python package has torch_npu/lib/", kTorchNpuLibrary,
      ": install torch-npu 2.11, or set SDXL_TORCH_NPU_LIB to the folder of ", kTorchNpuLibrary);
}

void refuse_other_version(const fs::path& folder) {
  const std::string version = torch_npu_version(folder);
  if (version.empty() || version.starts_with(kSupportedVersion)) return;
  throw Error(ExitStatus::kUnavailable, "npu: ", folder.string(), " is from torch_npu ", version,
              ", but this program needs 2.11: pip install torch-npu==2.11.0.post3");
}

/// The missing library in dlerror's text ("libhccl.so: cannot open shared …"); "" if none.
std::string missing_library(const std::string& problem) {
  const size_t end = problem.find(": cannot open shared object file");
  if (end == std::string::npos) return "";
  const size_t begin = problem.rfind(' ', end);
  return problem.substr(begin + 1, end - begin - 1);
}

/// Opens an empty libtorch.so in place of the PyPI wheel's, which is empty too but needs
/// libtorch_cuda.so.
void open_empty_libtorch() {
  DynamicLibrary(binary_directory() / "libsdxl_libtorch.so", /*global=*/true);
}

/// Opens a missing library if this program knows how; false otherwise.
bool open_missing(const std::string& library, const fs::path& folder) {
  if (library == "libtorch.so" || library == "libtorch_cuda.so") {
    open_empty_libtorch();
    return true;
  }
  if (library == "libtorch_python.so" || library.starts_with("libpython")) {
    open_empty_libtorch();
    open_python_for_torch_npu(folder);
    return true;
  }
  return false;
}

}  // namespace

std::vector<fs::path> torch_npu_folders() {
  std::vector<fs::path> folders = directories_of("SDXL_TORCH_NPU_LIB");
  if (!environment("SDXL_TORCH_NPU_LIB").empty()) return folders;
  for (const fs::path& folder : python_package_folders("torch_npu/lib")) folders.push_back(folder);
  return folders;
}

std::string torch_npu_version(const fs::path& folder) {
  const fs::path file = folder.parent_path() / "version.py";
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return "";
  const std::string text = read_file(file);
  const size_t begin = text.find('\'', text.find("__version__"));
  const size_t end = text.find('\'', begin + 1);
  if (begin == std::string::npos || end == std::string::npos) return "";
  return text.substr(begin + 1, end - begin - 1);
}

std::string remedy_for(const std::string& problem) {
  const std::string missing = missing_library(problem);
  if (missing.starts_with("libascend_hal") || missing.starts_with("libdrv")) {
    return str(missing,
               " belongs to the Ascend driver: install the driver, or in a container mount "
               "/usr/local/Ascend/driver and set LD_LIBRARY_PATH to its lib64/driver");
  }
  for (const char* library : {"libhccl", "libascendcl", "libacl", "libge_", "libgraph", "libatb",
                              "libruntime", "libmsprofiler", "libopapi"}) {
    if (!missing.starts_with(library)) continue;
    std::string script = kSetEnvScript;
    std::error_code error;
    for (const char* other :
         {"/usr/local/Ascend/cann/set_env.sh", "/usr/local/Ascend/nnae/set_env.sh"}) {
      if (!fs::exists(script, error) && fs::exists(other, error)) script = other;
    }
    return str(missing, " belongs to CANN and is not in LD_LIBRARY_PATH=",
               quoted(environment("LD_LIBRARY_PATH")),
               ": install CANN for torch_npu 2.11, then source ", script);
  }
  return "is it torch-npu 2.11 for this platform?";
}

bool set_torch_npu_option(const std::string& name, const std::string& value) {
  using Set = void(const std::string&, const std::string&);
  constexpr const char* kSet =  // c10_npu::option::SetOption, which the C++ build exports
      "_ZN7c10_npu6option9SetOptionERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEES8_";
  if (void* set = dlsym(RTLD_DEFAULT, kSet)) {
    reinterpret_cast<Set*>(set)(name, value);
    return true;
  }
  return set_option_by_python(name, value);
}

void open_torch_npu() {
  const fs::path folder = library_folder();
  if (dlopen("libtorch_cuda.so", RTLD_NOLOAD | RTLD_LAZY) != nullptr) {
    throw Error(
        ExitStatus::kUnavailable,
        "npu: this process has opened libtorch_cuda.so, beside which torch_npu cannot run: start "
        "it in an environment without CUDA's torch");
  }
  refuse_other_version(folder);
  std::string last;
  while (true) {
    try {
      DynamicLibrary(folder / kTorchNpuLibrary, /*global=*/true);
      return;
    } catch (const Error& error) {
      const std::string problem = error.what(), missing = missing_library(problem);
      if (missing.empty() || missing == last || !open_missing(missing, folder)) {
        throw Error(ExitStatus::kUnavailable, "npu: ", problem, "; ", remedy_for(problem));
      }
      last = missing;
    }
  }
}

}  // namespace sdxl
