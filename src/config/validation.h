// Combinations of options that cannot work, refused before anything is loaded or any file looked
// at. Each is Error(kUsage) that names the option, what it got and what would do.
#pragma once

#include "config/convert_config.h"
#include "config/infer_config.h"
#include "config/train_config.h"

namespace sdxl {

void validate_train_config(const TrainConfig& config, TrainKind kind);
/// For filling the cache without training.
void validate_cache_config(const TrainConfig& config);
void validate_infer_config(const InferConfig& config);
void validate_convert_config(const ConvertConfig& config);

}  // namespace sdxl
