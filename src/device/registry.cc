#include "device/registry.h"

namespace sdxl {

// Each is defined in the file of its name.
std::unique_ptr<BackEnd> make_cuda_back_end();
std::unique_ptr<BackEnd> make_npu_back_end();

namespace {

constexpr std::unique_ptr<BackEnd> (*kMakers[])() = {
    make_cuda_back_end,
    make_npu_back_end,
};

}  // namespace

const std::vector<std::unique_ptr<BackEnd>>& back_ends() {
  static const std::vector<std::unique_ptr<BackEnd>> all = [] {
    std::vector<std::unique_ptr<BackEnd>> list;
    for (const auto& make : kMakers) list.push_back(make());
    return list;
  }();
  return all;
}

BackEnd* back_end_of(const at::Device& device) {
  if (device.is_cpu()) return nullptr;
  for (const auto& back_end : back_ends()) {
    if (back_end->type() == device.type()) return back_end.get();
  }
  return nullptr;
}

}  // namespace sdxl
