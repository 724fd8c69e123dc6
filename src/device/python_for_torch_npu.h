// The interpreter that the Python build of libtorch_npu.so expects around it.
#pragma once

#include <filesystem>
#include <string>

namespace sdxl {

/// Opens the libpython and the libtorch_python.so that belong to the torch_npu of `folder` and
/// starts an interpreter that runs nothing: when it first allocates on a device, that build calls
/// torch_npu.npu._lazy_init(), which here is a function without a body. The interpreter's lock is
/// released, so that any thread can take it. Error(kUnavailable) where one of them is missing.
void open_python_for_torch_npu(const std::filesystem::path& folder);

/// torch_npu.npu.set_option({name: value}), by the function of the library that Python calls; false
/// where no Python was opened.
bool set_option_by_python(const std::string& name, const std::string& value);

}  // namespace sdxl
