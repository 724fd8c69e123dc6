// Adding up the gradients of all ranks while the backward pass goes on.
//
// c10d's own reducer serves DistributedDataParallel: it takes leaf.grad as it is, in the model's
// dtype. Here gradients of half precision are added up in float32 over micro-batches first
// (GradientSum), and with ZeRO each sum goes to one rank alone; so the buckets are our own.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "distributed/ranks.h"
#include "training/trainables/parameters.h"

namespace sdxl {

/// Pieces on their way between ranks that one holds at a time, so that memory holds these and not
/// all gradients or weights.
constexpr size_t kMostUnderWay = 8;

class GradientExchange {
 public:
  /// Buckets of some 25 MB from the last tensor to the first, which is about the order in which
  /// gradients become ready. With `owners` (a rank for each tensor, not descending) a tensor's sum
  /// goes to its owner, else to all.
  GradientExchange(Ranks& ranks, const std::vector<TrainedTensor>& tensors,
                   const std::vector<int64_t>& owners);

  /// This rank's gradient of a step, of any floating dtype; copied. Buckets that are complete set
  /// out in order, so that all ranks send them in the same one; those that another rank owns are
  /// freed when they have arrived, and a few of them at most are under way.
  void put(size_t index, const at::Tensor& gradient);
  bool has(size_t index) const { return places_[index].there; }
  /// Waits for the sums of the step: float32, in the tensors' strides, views of the buckets.
  /// Undefined where no rank had a gradient, and where another rank owns the sum.
  std::vector<at::Tensor> take();

 private:
  struct Bucket {
    std::vector<size_t> members;
    int64_t elements = 0;  ///< Then one for each member: how many ranks had a gradient.
    int64_t owner = -1;    ///< -1: everybody.
    size_t filled = 0;
    at::Tensor flat;  ///< float32; there from the first gradient until it is sent or taken.
    std::unique_ptr<Transfer> transfer;
  };
  struct Place {
    size_t bucket = 0;
    int64_t offset = 0;
    bool there = false;
  };

  at::Tensor view(size_t index) const;
  void allocate(Bucket& bucket, at::Device device) const;
  void start(Bucket& bucket);
  void give_back(Bucket& bucket);
  bool is_ours(const Bucket& bucket) const {
    return bucket.owner < 0 || bucket.owner == ranks_.rank();
  }

  Ranks& ranks_;
  std::vector<at::Tensor> values_;  // for shapes and strides
  std::vector<Bucket> buckets_;
  std::vector<Place> places_;
  size_t started_ = 0;  // buckets under way
};

}  // namespace sdxl
