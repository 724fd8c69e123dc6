// ZeRO stage 1 (Rajbhandari et al. 2020): each rank keeps optimizer states only for its share of
// the tensors, and float32 weights too if the model computes in another dtype.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distributed/ranks.h"
#include "training/optimizers/optimizer.h"
#include "training/trainables/parameters.h"

namespace sdxl {

class OptimizerShards {
 public:
  /// Divides the tensors in their order, with about as many elements for each rank.
  OptimizerShards(Ranks& ranks, const std::vector<ParameterGroup>& groups);

  /// The owning rank of each flattened tensor.
  const std::vector<int64_t>& owners() const { return owners_; }
  bool owns(size_t index) const { return owners_[index] == ranks_.rank(); }
  /// The groups with only this rank's tensors: what its optimizer steps.
  std::vector<ParameterGroup> owned_groups() const;
  /// Those of `all` that belong to the tensors of owned_groups().
  std::vector<at::Tensor> select_owned(const std::vector<at::Tensor>& all) const;

  /// Frees the float32 weights of other ranks' tensors if the model computes with copies of them.
  /// The tensors keep their shapes.
  void free_unowned_weights();
  /// Broadcasts all weights from their owners. Collective.
  void broadcast_weights();

  /// Gathers one value for each tensor from the ranks, each of which gives `owned` for the tensors
  /// of owned_groups(). Rank 0 gets them on the CPU; other ranks get undefined tensors. Collective.
  /// `dtype` is that of the values if it is not that of the weights.
  std::vector<at::Tensor> gather_to_first(const std::vector<at::Tensor>& owned,
                                          std::optional<at::ScalarType> dtype = std::nullopt);

 private:
  /// Consecutive tensors of one owner and dtype, whose weights are broadcast together.
  struct Bucket {
    size_t begin, end;  ///< Of the tensors.
    int64_t elements;
    at::Tensor flat;  ///< Allocated while the bucket is in flight.
    std::unique_ptr<Transfer> transfer;
  };
  std::vector<Bucket> make_buckets() const;
  /// Pairs each weight with its view in bucket.flat.
  std::vector<std::pair<at::Tensor, at::Tensor>> views(const Bucket& bucket) const;
  void start_broadcast(Bucket& bucket);
  void finish_broadcast(Bucket& bucket);

  Ranks& ranks_;
  std::vector<ParameterGroup> groups_;
  std::vector<TrainedTensor> tensors_;
  std::vector<int64_t> owners_;
};

/// Writes the states of all ranks' optimizers to one file. Collective; rank 0 writes `path` and
/// holds one tensor of another rank at a time.
void write_sharded_state(Ranks& ranks, const NamedTensors& owned,
                         const std::filesystem::path& path);

}  // namespace sdxl
