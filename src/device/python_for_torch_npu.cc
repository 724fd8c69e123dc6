// Python's C interface is used through dlsym, the part of it that is the same in all versions.
#include "device/python_for_torch_npu.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string_view>

#include "base/dynamic_library.h"
#include "base/error.h"
#include "base/text.h"
#include "device/library_search.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

/// The modules that torch_npu uses: a function it calls before the first tensor, and torch's path,
/// from which it finds its own files.
constexpr const char* kModules = R"(
import os, sys, types
npu = types.ModuleType("torch_npu.npu")
npu._lazy_init = lambda: None
package = types.ModuleType("torch_npu")
package.npu = npu
torch = types.ModuleType("torch")
torch.__file__ = os.environ["SDXL_SITE_PACKAGES"] + "/torch/__init__.py"
sys.modules.update({"torch": torch, "torch_npu": package, "torch_npu.npu": npu})
)";

constexpr const char* kOtherBuild =
    "only the wheel's build of torch_npu needs Python; its C++ build (libtorch_npu) doesn't";

/// "3.11" for torch_npu/_C.cpython-311-x86_64-linux-gnu.so; "" without such a file.
std::string python_version(const fs::path& folder) {
  constexpr std::string_view kBefore = "_C.cpython-3";
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder.parent_path(), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kBefore)) continue;
    return str("3.", name.substr(kBefore.size(), name.find('-', kBefore.size()) - kBefore.size()));
  }
  return "";
}

/// Opens libpython from beside the Python with torch_npu, or else by the loader's search.
DynamicLibrary open_libpython(const std::string& version, const fs::path& folder) {
  const std::string name = str("libpython", version, ".so.1.0");
  const fs::path site_packages = folder.parent_path().parent_path();
  const fs::path beside = site_packages.parent_path().parent_path() / name;
  std::error_code error;
  try {
    if (fs::exists(beside, error)) return DynamicLibrary(beside, /*global=*/true);
    return DynamicLibrary(name, /*global=*/true);
  } catch (const Error& problem) {
    throw Error(ExitStatus::kUnavailable, "npu: torch_npu in ", folder.string(), " needs ", name,
                ", which is neither in ", beside.parent_path().string(),
                " nor found by the loader: install libpython", version,
                " or add its folder to LD_LIBRARY_PATH; ", kOtherBuild);
  }
}

/// The folder (PYTHONHOME) with this libpython's standard library. Without one the interpreter
/// would end the process.
fs::path home_of(const void* function, const std::string& version) {
  Dl_info info{};
  dladdr(function, &info);
  std::error_code error;
  const fs::path library = fs::canonical(info.dli_fname, error);
  for (fs::path folder = library.parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    if (fs::exists(folder / "lib" / str("python", version) / "encodings/__init__.py", error)) {
      return folder;
    }
  }
  throw Error(ExitStatus::kUnavailable, "npu: ", library.string(),
              " comes without Python's standard library (lib/python", version,
              "/encodings): install libpython", version, "-stdlib; ", kOtherBuild);
}

void start_interpreter(const DynamicLibrary& python, const std::string& version,
                       const fs::path& site_packages) {
  auto* initialize = python.function<void(int)>("Py_InitializeEx");
  auto* initialized = python.function<int()>("Py_IsInitialized");
  auto* run = python.function<int(const char*)>("PyRun_SimpleString");
  auto* release = python.function<void*()>("PyEval_SaveThread");
  if (!initialize || !initialized || !run || !release) {
    throw Error(ExitStatus::kUnavailable, "npu: libpython", version,
                " is incomplete: reinstall it");
  }
  if (initialized() != 0) return;
  const fs::path home = home_of(reinterpret_cast<const void*>(initialize), version);
  setenv("PYTHONHOME", home.c_str(), /*overwrite=*/1);
  setenv("SDXL_SITE_PACKAGES", site_packages.c_str(), /*overwrite=*/1);
  if (auto* no_site = static_cast<int*>(python.symbol("Py_NoSiteFlag"))) *no_site = 1;
  initialize(/*install_signal_handlers=*/0);
  const bool good = run(kModules) == 0;
  release();
  if (!good) {
    throw Error(ExitStatus::kUnavailable, "npu: Python cannot be started: check its installation");
  }
}

/// The folder of a libtorch_python.so without CUDA. torch_npu and CUDA's libraries register the
/// same allocator options, so they cannot be open at once.
fs::path torch_folder(const fs::path& torch_npu) {
  std::vector<fs::path> folders = directories_of("SDXL_TORCH_LIB");
  folders.push_back(torch_npu.parent_path().parent_path() / "torch/lib");
  for (const fs::path& other : python_package_folders("torch/lib")) folders.push_back(other);
  fs::path for_cuda;
  std::error_code error;
  for (const fs::path& folder : folders) {
    if (!fs::exists(folder / "libtorch_python.so", error)) continue;
    if (!fs::exists(folder / "libtorch_cuda.so", error)) return folder;
    if (for_cuda.empty()) for_cuda = folder;
  }
  constexpr const char* kInstall =
      "install torch==2.11.0 from https://download.pytorch.org/whl/cpu for the same Python";
  throw Error(ExitStatus::kUnavailable,
              for_cuda.empty()
                  ? str("npu: libtorch_python.so is not in ", listed(folders), ": ", kInstall, "; ",
                        kOtherBuild)
                  : str("npu: the torch in ", for_cuda.string(),
                        " is built for CUDA, beside which torch_npu cannot run: ", kInstall));
}

}  // namespace

void open_python_for_torch_npu(const fs::path& folder) {
  const std::string version = python_version(folder);
  if (version.empty()) {
    throw Error(ExitStatus::kUnavailable, "npu: ", folder.string(),
                " needs libtorch_python.so, and no _C.cpython-3*.so beside it names its Python "
                "version: install torch-npu 2.11 with pip");
  }
  start_interpreter(open_libpython(version, folder), version, folder.parent_path().parent_path());
  DynamicLibrary(torch_folder(folder) / "libtorch_python.so", /*global=*/true);
}

bool set_option_by_python(const std::string& name, const std::string& value) {
  struct Method {  // PyMethodDef
    const char* name;
    void* (*call)(void* self, void* arguments);
    int flags;
    const char* text;
  };
  const auto find = [](const char* symbol) { return dlsym(RTLD_DEFAULT, symbol); };
  auto* methods = reinterpret_cast<const Method* (*)()>(find("_Z22THNPModule_get_methodsv"));
  auto* lock = reinterpret_cast<int (*)()>(find("PyGILState_Ensure"));
  auto* unlock = reinterpret_cast<void (*)(int)>(find("PyGILState_Release"));
  auto* new_dictionary = reinterpret_cast<void* (*)()>(find("PyDict_New"));
  auto* new_text = reinterpret_cast<void* (*)(const char*)>(find("PyUnicode_FromString"));
  auto* set = reinterpret_cast<int (*)(void*, const char*, void*)>(find("PyDict_SetItemString"));
  auto* forget = reinterpret_cast<void (*)()>(find("PyErr_Clear"));
  if (!methods || !lock || !unlock || !new_dictionary || !new_text || !set || !forget) return false;

  const int state = lock();
  void* options = new_dictionary();
  set(options, name.c_str(), new_text(value.c_str()));
  bool done = false;
  for (const Method* method = methods(); method->name != nullptr; ++method) {
    if (std::string_view(method->name) == "_npu_setOption") {
      done = method->call(nullptr, options) != nullptr;
    }
  }
  if (!done) forget();
  unlock(state);
  return done;
}

}  // namespace sdxl
