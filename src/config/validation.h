// Refuses combinations of options that cannot work, before any file is read. Each is Error(kUsage)
// that names the option, its value and what would work.
#pragma once

#include "config/cache_config.h"
#include "config/convert_config.h"
#include "config/infer_config.h"
#include "config/tokenize_config.h"
#include "config/train_config.h"

namespace sdxl {

void validate_train_config(const TrainConfig& config);
/// Checks only what filling the cache uses.
void validate_cache_fill(const CacheConfig& config);
void validate_infer_config(const InferConfig& config);
void validate_convert_config(const ConvertConfig& config);
void validate_tokenize_config(const TokenizeConfig& config);

}  // namespace sdxl
