// One micro-batch as training sees it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sdxl {

/// B samples on the run's device. The conditioning is either embedded already (frozen encoders) or
/// still text (encoders that train).
struct TrainingBatch {
  std::vector<int64_t> draws;      ///< [B] Positions in the stream of samples.
  std::vector<std::string> names;  ///< [B] What logs call the samples.
  at::Tensor latents;              ///< [B, C, h, w] float32, drawn from the posterior and scaled.
  at::Tensor time_ids;             ///< [B, 6] float32

  at::Tensor hidden_states;  ///< [B, S, D] in the compute dtype; undefined where encoders train.
  at::Tensor pooled;         ///< [B, P]

  std::vector<std::string> captions;  ///< [B]
  std::vector<bool> caption_dropped;  ///< [B] With embeddings already applied to them.

  int64_t size() const { return static_cast<int64_t>(draws.size()); }
};

/// Gives the next micro-batch of this rank, or nothing when a stop was requested meanwhile; then
/// the micro-batch is still the next one.
using BatchSource = std::function<std::optional<TrainingBatch>()>;

}  // namespace sdxl
