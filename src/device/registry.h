// The back ends that this program knows.
#pragma once

#include <memory>
#include <vector>

#include "device/back_end.h"

namespace sdxl {

/// All back ends, in the order in which --device auto prefers them.
const std::vector<std::unique_ptr<BackEnd>>& back_ends();

/// The back end of `device`; null for the CPU.
BackEnd* back_end_of(const at::Device& device);

}  // namespace sdxl
