// The libraries that libtorch_npu.so needs are opened one after the other as the loader names them.
#include "device/torch_npu_library.h"

#include <dlfcn.h>

#include <cstdlib>

#include "base/dynamic_library.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "device/library_search.h"
#include "device/python_for_torch_npu.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTorchNpuLibrary = "libtorch_npu.so";
constexpr const char* kServedVersion = "2.11";

fs::path library_folder() {
  const fs::path folder = find_in(torch_npu_folders(), kTorchNpuLibrary);
  if (!folder.empty()) return folder;
  const char* given = std::getenv("SDXL_TORCH_NPU_LIB");
  if (given != nullptr && *given != '\0') {
    throw Error(ExitStatus::kUnavailable,
                str("npu: SDXL_TORCH_NPU_LIB=", quoted(given), " holds no ", kTorchNpuLibrary,
                    ": set it to the folder of this library, torch_npu/lib of the installed "
                    "torch-npu 2.11"));
  }
  throw Error(ExitStatus::kUnavailable,
              str("npu: ", kTorchNpuLibrary,
                  " was not found (looked in torch_npu/lib of Python's "
                  "packages): install torch-npu 2.11, or set SDXL_TORCH_NPU_LIB to the folder of ",
                  kTorchNpuLibrary));
}

void refuse_other_version(const fs::path& folder) {
  const std::string version = torch_npu_version(folder);
  if (version.empty() || version.rfind(kServedVersion, 0) == 0) return;
  throw Error(ExitStatus::kUnavailable,
              str("npu: ", folder.string(), " is of torch_npu ", version,
                  ", and this program needs 2.11: pip install torch-npu==2.11.0.post3"));
}

/// The library that dlerror's text says is missing ("libhccl.so: cannot open shared …"); "" if
/// none.
std::string missing_library(const std::string& problem) {
  const size_t end = problem.find(": cannot open shared object file");
  if (end == std::string::npos) return "";
  const size_t begin = problem.rfind(' ', end);
  return problem.substr(begin + 1, end - begin - 1);
}

/// The libtorch.so of the PyPI wheel asks for libtorch_cuda.so. It holds nothing, so that an empty
/// library of the same name serves.
void open_empty_libtorch() {
  DynamicLibrary(binary_directory() / "libsdxl_libtorch.so", /*global=*/true);
}

/// Opens what the loader missed; false if that can't be helped.
bool open_missing(const std::string& library, const fs::path& folder) {
  if (library == "libtorch.so" || library == "libtorch_cuda.so") {
    open_empty_libtorch();
    return true;
  }
  if (library == "libtorch_python.so" || library.rfind("libpython", 0) == 0) {
    open_empty_libtorch();
    open_python_for_torch_npu(folder);
    return true;
  }
  return false;
}

}  // namespace

std::vector<fs::path> torch_npu_folders() {
  std::vector<fs::path> folders = directories_of("SDXL_TORCH_NPU_LIB");
  const char* given = std::getenv("SDXL_TORCH_NPU_LIB");
  if (given != nullptr && *given != '\0') return folders;
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
  if (missing.rfind("libascend_hal", 0) == 0 || missing.rfind("libdrv", 0) == 0) {
    return str(missing,
               " is of the Ascend driver: install the driver, or in a container mount "
               "/usr/local/Ascend/driver and set LD_LIBRARY_PATH to its lib64/driver");
  }
  for (const char* library : {"libhccl", "libascendcl", "libacl", "libge_", "libgraph", "libatb",
                              "libruntime", "libmsprofiler", "libopapi"}) {
    if (missing.rfind(library, 0) != 0) continue;
    std::string script = kSetEnvScript;
    std::error_code error;
    for (const char* other :
         {"/usr/local/Ascend/cann/set_env.sh", "/usr/local/Ascend/nnae/set_env.sh"}) {
      if (!fs::exists(script, error) && fs::exists(other, error)) script = other;
    }
    const char* path = std::getenv("LD_LIBRARY_PATH");
    return str(missing,
               " is of CANN and was looked for in LD_LIBRARY_PATH=", quoted(path ? path : ""),
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
    throw Error(ExitStatus::kUnavailable,
                "npu: this process has opened libtorch_cuda.so, beside which torch_npu cannot run");
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
        throw Error(ExitStatus::kUnavailable, str("npu: ", problem, "; ", remedy_for(problem)));
      }
      last = missing;
    }
  }
}

}  // namespace sdxl
