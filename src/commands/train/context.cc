#include "commands/train/context.h"

#include "base/files/files.h"

namespace sdxl {

double TrainingContext::peak_learning_rate() const {
  if (!config.scale_lr) return config.learning_rate;
  return config.learning_rate * static_cast<double>(config.gradient_accumulation_steps) *
         static_cast<double>(config.train_batch_size * ranks.size());
}

fs::path TrainingContext::cache_directory() const {
  return config.embedding_cache_dir ? fs::path(*config.embedding_cache_dir)
                                    : user_cache_directory();
}

}  // namespace sdxl
