// Advice for a command that ran out of memory.
#pragma once

#include <string>

#include "config/infer_config.h"
#include "config/train_config.h"

namespace sdxl {

/// Options that would save memory and are not in use yet, the most effective first:
/// "--gradient_checkpointing, then --train_batch_size 1 with …".
std::string memory_advice(const TrainConfig& config, TrainKind kind);
std::string memory_advice(const InferConfig& config);

}  // namespace sdxl
