// One micro-batch as the trainer sees it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/prompt_embeds.h"

namespace sdxl {

/// B samples on the run's device. Prompts are embedded if the text encoders are frozen, and texts
/// if they train.
struct TrainingBatch {
  std::vector<int64_t> draws;      ///< [B] Positions in the stream of samples.
  std::vector<std::string> names;  ///< [B] The pictures' names, for logs.
  at::Tensor latents;              ///< [B, C, h, w] float32, drawn from the posterior and scaled.
  at::Tensor time_ids;             ///< [B, 6] float32
  PromptEmbeds embeds;             ///< In the compute dtype; undefined if text encoders train.

  std::vector<std::string> captions;  ///< [B]
  std::vector<bool> caption_dropped;  ///< [B] `embeds` already reflect this.

  /// Share of the step's mean loss; 1 / (all micro-batches of the step) if absent. A batch of
  /// weight 0 is computed like the others and does not count.
  std::optional<double> weight;

  int64_t size() const { return static_cast<int64_t>(draws.size()); }
};

/// Returns the next micro-batch of this rank, or nothing if a stop was requested; then the next
/// call returns the same micro-batch.
using BatchSource = std::function<std::optional<TrainingBatch>()>;

}  // namespace sdxl
