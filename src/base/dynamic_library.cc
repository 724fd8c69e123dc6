#include "base/dynamic_library.h"

#include <dlfcn.h>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

DynamicLibrary::DynamicLibrary(const std::filesystem::path& path, bool global)
    : handle_(::dlopen(path.c_str(), RTLD_NOW | (global ? RTLD_GLOBAL : RTLD_LOCAL))) {
  if (handle_ != nullptr) return;
  const char* reason = ::dlerror();
  throw Error(ExitStatus::kUnavailable, "cannot open the library ", quoted(path.string()), ": ",
              escaped(reason == nullptr ? "unknown" : reason));
}

void* DynamicLibrary::symbol(const char* name) const { return ::dlsym(handle_, name); }

std::filesystem::path binary_directory() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) {
    throw Error(ExitStatus::kFailure, "cannot read /proc/self/exe (", error.message(),
                "): is /proc mounted?");
  }
  return path.parent_path();
}

}  // namespace sdxl
