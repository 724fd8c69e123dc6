// Shared libraries opened at run time, which stay open until the process ends.
#pragma once

#include <filesystem>
#include <string>

namespace sdxl {

class DynamicLibrary {
 public:
  /// dlopen with RTLD_NOW, and RTLD_GLOBAL if `global`. Error(kUnavailable) with dlerror's text.
  explicit DynamicLibrary(const std::filesystem::path& path, bool global = false);

  /// The address of a symbol; null if the library lacks it.
  void* symbol(const char* name) const;
  template <typename Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void* handle_;
};

/// The directory of the running executable.
std::filesystem::path binary_directory();

}  // namespace sdxl
