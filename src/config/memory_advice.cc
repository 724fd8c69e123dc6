// The order is that of the memory saved in a run at 1024 pixels.
#include "config/memory_advice.h"

#include <vector>

#include "base/text.h"

namespace sdxl {

std::string memory_advice(const TrainConfig& c, TrainKind kind) {
  std::vector<std::string> advice;
  const bool full = kind == TrainKind::kFull;
  if (!c.gradient_checkpointing) advice.emplace_back("--gradient_checkpointing");
  if (c.mixed_precision == "no") advice.emplace_back("--mixed_precision bf16");
  if (c.train_batch_size > 1) {
    advice.push_back(str("--train_batch_size ", c.train_batch_size / 2,
                         " with --gradient_accumulation_steps ",
                         c.gradient_accumulation_steps * 2));
  }
  if (full && !c.full_bf16) {
    advice.emplace_back("--optimizer adamw8bit");
    advice.emplace_back("--full_bf16 with --fused_backward");
  }
  if (full && c.optimizer != "adafactor") advice.emplace_back("--optimizer adafactor");
  if (c.use_ema) advice.emplace_back("--no_use_ema");
  if (!full && !c.base_dtype) advice.emplace_back("--base_dtype fp8");
  if (c.resolution > 512) advice.push_back(str("--resolution ", c.resolution / 2));
  if (full) advice.emplace_back("train-lora instead of train-full");
  return join(advice, ", then ");
}

std::string memory_advice(const InferConfig& c) {
  std::vector<std::string> advice;
  if (c.mixed_precision == "no") advice.emplace_back("--mixed_precision fp16");
  if (c.batch_size > 1) advice.push_back(str("--batch_size ", c.batch_size / 2));
  if (!c.vae_slicing && c.batch_size > 1) advice.emplace_back("--vae_slicing");
  if (!c.vae_tiling) advice.emplace_back("--vae_tiling");
  advice.emplace_back("smaller --height and --width");
  return join(advice, ", then ");
}

}  // namespace sdxl
