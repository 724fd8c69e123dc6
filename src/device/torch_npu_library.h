// Finds and opens torch_npu's libtorch_npu.so in a process without Python.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdxl {

/// The script that sets CANN's environment variables, in its default place.
constexpr const char* kSetEnvScript = "/usr/local/Ascend/ascend-toolkit/set_env.sh";

/// The folders to search for libtorch_npu.so: SDXL_TORCH_NPU_LIB if it is set, else those of Python
/// installations.
std::vector<std::filesystem::path> torch_npu_folders();

/// The version of the torch_npu that contains `folder`, such as "2.11.0.post3"; "" if unknown.
std::string torch_npu_version(const std::filesystem::path& folder);

/// Opens libtorch_npu.so and first the libraries it needs: a libtorch.so that needs no other
/// vendor's library and, for the wheel's build, libpython and libtorch_python. Error(kUnavailable)
/// names the missing library, the folders searched and the remedy.
void open_torch_npu();

/// The remedy for `problem`, dlerror's text that names a missing library.
std::string remedy_for(const std::string& problem);

/// Sets an option as torch_npu.npu.set_option does; false if this build doesn't support that.
bool set_torch_npu_option(const std::string& name, const std::string& value);

}  // namespace sdxl
