// Shared libraries opened at run time. They stay open until the process ends.
#pragma once

#include <filesystem>
#include <string>

namespace sdxl {

class DynamicLibrary {
 public:
  /// dlopen(RTLD_NOW, RTLD_GLOBAL if `global`). On failure Error(kUnavailable) with dlerror's text.
  explicit DynamicLibrary(const std::filesystem::path& path, bool global = false);

  /// The symbol, or null.
  void* symbol(const char* name) const;
  template <typename Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void* handle_;
};

/// The directory of the running binary.
std::filesystem::path binary_directory();

}  // namespace sdxl
