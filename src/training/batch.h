// One micro-batch as training sees it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sdxl {

/// B samples. Latents and ids are on the run's device; the conditioning is either embedded already
/// (frozen encoders) or still tokens (encoders that train).
struct TrainingBatch {
  std::vector<uint64_t> draws;     ///< [B] Positions in the stream of samples.
  std::vector<std::string> names;  ///< [B] What logs call the samples.
  at::Tensor latents;              ///< [B, C, h, w] float32, drawn from the posterior and scaled.
  at::Tensor time_ids;             ///< [B, 6] float32

  at::Tensor hidden_states;  ///< [B, S, D] in the compute dtype, undefined without embeddings.
  at::Tensor pooled;         ///< [B, P]

  at::Tensor ids, ids_2;      ///< [B, S] int64, undefined with embeddings.
  std::vector<bool> dropped;  ///< [B] The caption was dropped; with embeddings already applied.

  int64_t size() const { return static_cast<int64_t>(draws.size()); }
};

/// Where micro-batches come from. batch() is called with the draws in ascending order; a source may
/// prepare those that it expects next in other threads.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual TrainingBatch batch(const std::vector<uint64_t>& draws) = 0;
  /// How many samples an epoch has.
  virtual int64_t size() const = 0;
};

}  // namespace sdxl
