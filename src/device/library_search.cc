#include "device/library_search.h"

#include <ATen/core/Tensor.h>
#include <dlfcn.h>

#include "base/environment.h"
#include "base/text.h"

namespace sdxl {

namespace fs = std::filesystem;

std::vector<fs::path> directories_of(const char* variable) {
  std::vector<fs::path> result;
  for (const std::string& part : split(environment(variable), ':')) {
    std::error_code error;
    if (!part.empty() && fs::is_directory(part, error)) result.emplace_back(part);
  }
  return result;
}

std::vector<fs::path> python_package_folders(const std::string& package_lib) {
  std::vector<fs::path> roots;
  for (const char* variable : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    const std::string value = environment(variable);
    if (!value.empty()) roots.push_back(fs::path(value) / "lib");
  }
  const std::string home = environment("HOME");
  if (!home.empty()) roots.push_back(fs::path(home) / ".local/lib");
  for (const char* root : {"/usr/local/lib", "/usr/lib", "/usr/local/lib64"}) {
    roots.emplace_back(root);
  }

  std::vector<fs::path> result;
  std::error_code error;
  for (const fs::path& folder : directories_of("PYTHONPATH")) {
    if (fs::is_directory(folder / package_lib, error)) result.push_back(folder / package_lib);
  }
  for (const fs::path& root : roots) {
    for (const auto& entry : fs::directory_iterator(root, error)) {
      if (!entry.path().filename().string().starts_with("python3")) continue;
      for (const char* packages : {"site-packages", "dist-packages"}) {
        const fs::path folder = entry.path() / packages / package_lib;
        if (fs::is_directory(folder, error)) result.push_back(folder);
      }
    }
  }
  return result;
}

fs::path torch_library_folder() {
  Dl_info info{};
  dladdr(reinterpret_cast<const void*>(&at::getCPUAllocator), &info);
  return info.dli_fname ? fs::path(info.dli_fname).parent_path() : fs::path();
}

fs::path find_in(const std::vector<fs::path>& folders, const std::string& file) {
  std::error_code error;
  for (const fs::path& folder : folders) {
    if (fs::exists(folder / file, error)) return folder;
  }
  return {};
}

std::string listed(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders) names.push_back(folder.string());
  return names.empty() ? "nowhere" : join(names, ", ");
}

}  // namespace sdxl
