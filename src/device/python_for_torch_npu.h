// The Python interpreter that the wheel's build of libtorch_npu.so expects in its process.
#pragma once

#include <filesystem>
#include <string>

namespace sdxl {

/// Opens the libpython and libtorch_python.so of the torch_npu in `folder` and starts an
/// interpreter. When it first allocates on a device, that build calls torch_npu.npu._lazy_init(),
/// which is empty here. Releases the interpreter's lock, so that any thread can take it.
/// Error(kUnavailable) if a library is missing.
void open_python_for_torch_npu(const std::filesystem::path& folder);

/// Calls torch_npu.npu.set_option({name: value}); false if Python is not open or it fails.
bool set_option_by_python(const std::string& name, const std::string& value);

}  // namespace sdxl
