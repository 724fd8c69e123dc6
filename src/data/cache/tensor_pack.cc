#include "data/cache/tensor_pack.h"

#include <array>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kMostTensors = 16, kMostDimensions = 4;
const std::array<at::ScalarType, 3> kTypes = {at::kFloat, at::kHalf, at::kBFloat16};

struct Entry {
  uint32_t type, dimensions;
  int64_t sizes[kMostDimensions];
};

uint64_t aligned(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t table_size(uint64_t count) { return aligned(sizeof(uint64_t) + count * sizeof(Entry)); }

Entry entry_of(const at::Tensor& tensor) {
  const auto type = std::find(kTypes.begin(), kTypes.end(), tensor.scalar_type());
  TORCH_CHECK(
      type != kTypes.end() && tensor.dim() <= int64_t(kMostDimensions) && tensor.device().is_cpu(),
      "the cache holds CPU tensors of float32, float16 or bfloat16 and up to 4 dimensions");
  Entry entry{
      static_cast<uint32_t>(type - kTypes.begin()), static_cast<uint32_t>(tensor.dim()), {}};
  std::copy(tensor.sizes().begin(), tensor.sizes().end(), entry.sizes);
  return entry;
}

/// The size of the entry's elements in bytes; more than `limit` if the entry is invalid.
uint64_t checked_bytes(const Entry& entry, uint64_t limit) {
  if (entry.type >= kTypes.size() || entry.dimensions > kMostDimensions) return limit + 1;
  uint64_t bytes = c10::elementSize(kTypes[entry.type]);
  for (uint32_t i = 0; i < entry.dimensions; ++i) {
    if (entry.sizes[i] < 1 || static_cast<uint64_t>(entry.sizes[i]) > limit / bytes) {
      return limit + 1;
    }
    bytes *= static_cast<uint64_t>(entry.sizes[i]);
  }
  return bytes;
}

}  // namespace

std::string pack_tensors(const std::vector<at::Tensor>& tensors) {
  const uint64_t count = tensors.size();
  std::string bytes(table_size(count), '\0');
  std::memcpy(bytes.data(), &count, sizeof count);
  for (uint64_t i = 0; i < count; ++i) {
    const Entry entry = entry_of(tensors[i]);
    std::memcpy(bytes.data() + sizeof count + i * sizeof entry, &entry, sizeof entry);
    const at::Tensor contiguous = tensors[i].contiguous();
    bytes.append(static_cast<const char*>(contiguous.const_data_ptr()), contiguous.nbytes());
    bytes.resize(aligned(bytes.size()));
  }
  return bytes;
}

std::vector<at::Tensor> unpack_tensors(std::string bytes, const std::string& source) {
  const auto memory = std::make_shared<std::string>(std::move(bytes));
  const auto refuse = [&] {
    throw Error(ExitStatus::kBadData,
                quoted(source) +
                    " holds a value that is not a tensor; `sdxl cache check` verifies the rest");
  };
  uint64_t count = 0;
  if (memory->size() >= sizeof count) std::memcpy(&count, memory->data(), sizeof count);
  if (count < 1 || count > kMostTensors || table_size(count) > memory->size()) refuse();
  uint64_t offset = table_size(count);
  std::vector<at::Tensor> tensors;
  for (uint64_t i = 0; i < count; ++i) {
    Entry entry;
    std::memcpy(&entry, memory->data() + sizeof count + i * sizeof entry, sizeof entry);
    const uint64_t left = memory->size() - offset, size = checked_bytes(entry, left);
    if (size > left) refuse();
    tensors.push_back(at::from_blob(
        memory->data() + offset, at::IntArrayRef(entry.sizes, entry.dimensions), [memory](void*) {},
        at::TensorOptions(kTypes[entry.type])));
    offset = std::min<uint64_t>(aligned(offset + size), memory->size());
  }
  return tensors;
}

}  // namespace sdxl
