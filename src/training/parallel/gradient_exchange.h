// Sums the gradients of all ranks while the backward pass is still running.
//
// c10d has a reducer for DistributedDataParallel, but it sends leaf.grad in the model's dtype. Here
// half-precision gradients are first accumulated in float32 over micro-batches (GradientSum), and
// with ZeRO each sum goes to one rank only.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "distributed/ranks.h"
#include "training/trainables/parameters.h"

namespace sdxl {

/// Transfers that a rank keeps in flight. Bounds memory to this many buckets.
constexpr size_t kMaxInFlight = 8;

class GradientExchange {
 public:
  /// Makes buckets of about 25 MB from the last tensor to the first, roughly the order in which
  /// gradients become ready. With `owners` (one ascending rank for each tensor) the sum of a tensor
  /// goes to its owner, otherwise to all ranks.
  GradientExchange(Ranks& ranks, const std::vector<TrainedTensor>& tensors,
                   const std::vector<int64_t>& owners);

  /// Copies this rank's gradient of a tensor, of any floating dtype. Complete buckets are sent in
  /// their order, which is the same on all ranks. Buckets that another rank owns are freed once
  /// received; at most kMaxInFlight of them are in flight.
  void put(size_t index, const at::Tensor& gradient);
  /// Waits for the sums of the step: float32 views of the buckets, in the tensors' strides.
  /// Undefined if no rank had a gradient or another rank owns the sum.
  std::vector<at::Tensor> take();

 private:
  struct Bucket {
    std::vector<size_t> members;
    int64_t elements = 0;  ///< Of the gradients. One count of ranks for each member follows them.
    int64_t owner = -1;    ///< -1: all ranks.
    size_t filled = 0;     ///< Members whose gradient has been put.
    at::Tensor flat;  ///< float32; allocated by the first gradient, freed by take() or earlier.
    std::unique_ptr<Transfer> transfer;
  };
  struct Place {
    size_t bucket = 0;
    int64_t offset = 0;
    bool filled = false;
  };

  at::Tensor view(size_t index) const;
  void allocate(Bucket& bucket, at::Device device) const;
  void start(Bucket& bucket);
  /// Waits for a bucket that another rank owns and frees its memory.
  void free_sent(Bucket& bucket);
  bool is_owned(const Bucket& bucket) const {
    return bucket.owner < 0 || bucket.owner == ranks_.rank();
  }

  Ranks& ranks_;
  std::vector<at::Tensor> values_;  // for shapes and strides
  std::vector<Bucket> buckets_;
  std::vector<Place> places_;
  size_t started_ = 0;  // buckets whose transfer was started
};

}  // namespace sdxl
