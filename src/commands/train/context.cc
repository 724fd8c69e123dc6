#include "commands/train/context.h"

#include "base/files.h"

namespace sdxl {

fs::path TrainingContext::cache_directory() const {
  return config.embedding_cache_dir ? fs::path(*config.embedding_cache_dir)
                                    : user_cache_directory();
}

}  // namespace sdxl
