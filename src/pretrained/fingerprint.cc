#include "pretrained/fingerprint.h"

#include <algorithm>
#include <vector>

#include "base/files/files.h"
#include "base/hash.h"
#include "base/text.h"
#include "io/model_files.h"
#include "io/tensor_view.h"

namespace sdxl {
namespace {

constexpr size_t kSampleBytes = 4096;
constexpr size_t kSamples = 64;

void add_sample(Hasher* hasher, const fs::path& file) {
  const MappedFile mapped(file);
  hasher->update(str(file.filename().string(), ' ', mapped.size(), '\n'));
  const size_t stride = std::max(kSampleBytes, mapped.size() / kSamples);
  for (size_t at = 0; at < mapped.size(); at += stride) {
    hasher->update(mapped.data() + at, std::min(kSampleBytes, mapped.size() - at));
  }
}

}  // namespace

std::string weights_fingerprint(const fs::path& path, const std::string& stem) {
  std::vector<fs::path> files;
  if (const auto view = read_tensor_view(path, stem)) {
    files.push_back(view->file);
  } else if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path)) {
      if (is_safetensors(entry.path().filename().string())) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  Hasher hasher;
  for (const fs::path& file : files) add_sample(&hasher, file);
  return hasher.hex().substr(0, 16);
}

}  // namespace sdxl
