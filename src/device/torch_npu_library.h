// Finding and opening torch_npu's libtorch_npu.so, in a process that has no Python.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdxl {

constexpr const char* kSetEnvScript = "/usr/local/Ascend/ascend-toolkit/set_env.sh";

/// Where libtorch_npu.so is looked for: SDXL_TORCH_NPU_LIB, then Python's installations.
std::vector<std::filesystem::path> torch_npu_folders();

/// The version of the torch_npu that `folder` belongs to, such as "2.11.0.post3"; "" if it has
/// none.
std::string torch_npu_version(const std::filesystem::path& folder);

/// Opens libtorch_npu.so and, before it, what it needs of this process: a libtorch.so that asks for
/// no other vendor's library and, for the build that Python's wheel holds, libpython and
/// libtorch_python. Error(kUnavailable) names the library that is missing, where it was looked for
/// and the remedy.
void open_torch_npu();

/// What to do when `problem`, dlerror's text, names a library that could not be opened.
std::string remedy_for(const std::string& problem);

/// An option of torch_npu (those of torch_npu.npu.set_option); false where this build of the
/// library does not let it be set.
bool set_torch_npu_option(const std::string& name, const std::string& value);

}  // namespace sdxl
