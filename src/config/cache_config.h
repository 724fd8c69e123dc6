// The options of cache: those of both training commands, which say what is cached, and its own.
#pragma once

#include <cstdint>
#include <vector>

#include "config/train_config.h"

namespace sdxl {

struct CacheConfig : TrainConfig {
  CacheConfig() : TrainConfig(TrainKind::kFull) {}
  int64_t unused_days = 30;
};

/// The table of cache, bound to `config`.
std::vector<Option> cache_table(CacheConfig& config);

}  // namespace sdxl
