// Where vendors' libraries lie.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdxl {

/// The directories of `variable` (separated by ':'), those that exist.
std::vector<std::filesystem::path> directories_of(const char* variable);

/// `package`/lib folders of the Python installations that can be seen: $VIRTUAL_ENV, $CONDA_PREFIX,
/// PYTHONPATH, the user's and the system's site-packages. No Python is run.
std::vector<std::filesystem::path> python_package_folders(const std::string& package_lib);

/// The folder of the libtorch_cpu.so that this process uses.
std::filesystem::path torch_library_folder();

/// The first of `folders` that holds `file`; "" if none.
std::filesystem::path find_in(const std::vector<std::filesystem::path>& folders,
                              const std::string& file);

/// The folders one after the other, for messages.
std::string listed(const std::vector<std::filesystem::path>& folders);

}  // namespace sdxl
