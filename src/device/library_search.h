// Searches for vendors' libraries.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdxl {

/// The existing directories listed in an environment variable, separated by ':'.
std::vector<std::filesystem::path> directories_of(const char* variable);

/// The folders `package_lib` ("torch/lib") of Python installations: $PYTHONPATH, $VIRTUAL_ENV,
/// $CONDA_PREFIX, the user's and the system's site-packages. Does not run Python.
std::vector<std::filesystem::path> python_package_folders(const std::string& package_lib);

/// The folder of this process's libtorch_cpu.so.
std::filesystem::path torch_library_folder();

/// The first of `folders` with `file` in it; empty if there is none.
std::filesystem::path find_in(const std::vector<std::filesystem::path>& folders,
                              const std::string& file);

/// The folders separated by commas, for messages; "nowhere" if there are none.
std::string listed(const std::vector<std::filesystem::path>& folders);

}  // namespace sdxl
