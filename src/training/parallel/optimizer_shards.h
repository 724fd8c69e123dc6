// ZeRO stage 1 (Rajbhandari et al. 2020): every rank keeps the optimizer's states, and where the
// model computes in another dtype the float32 weights, of its share of the tensors alone.
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
  /// Shares the tensors out in their order, so that the ranks have about equally many elements.
  OptimizerShards(Ranks& ranks, const std::vector<ParameterGroup>& groups);

  /// The rank of each of the flattened tensors.
  const std::vector<int64_t>& owners() const { return owners_; }
  bool owns(size_t index) const { return owners_[index] == ranks_.rank(); }
  /// The groups with this rank's tensors alone: what its optimizer steps.
  std::vector<ParameterGroup> own_groups() const;
  /// Those of `all` that belong to the tensors of own_groups().
  std::vector<at::Tensor> own(const std::vector<at::Tensor>& all) const;

  /// Frees the float32 weights of the other ranks' tensors, where the model has copies of its own
  /// to compute with. Their shapes stay.
  void release_others();
  /// After an optimizer step: everybody gets the new weights from their owners.
  void exchange_weights();

  /// From values of the tensors of own_groups() on each rank those of all tensors on rank 0, in its
  /// host's memory; undefined elsewhere. Collective. They are of the weights' dtype, or another.
  std::vector<at::Tensor> whole(const std::vector<at::Tensor>& own,
                                std::optional<at::ScalarType> dtype = std::nullopt);

 private:
  /// A run of tensors of one owner and dtype, whose weights travel as one.
  struct Parcel {
    size_t begin, end;
    int64_t elements;
    at::Tensor flat;  ///< While it is under way.
    std::unique_ptr<Transfer> transfer;
  };
  std::vector<Parcel> parcels() const;
  /// Each weight and its place in the parcel.
  std::vector<std::pair<at::Tensor, at::Tensor>> contents(const Parcel& parcel) const;
  void send(Parcel& parcel);
  void take_in(Parcel& parcel);

  Ranks& ranks_;
  std::vector<ParameterGroup> groups_;
  std::vector<TrainedTensor> tensors_;
  std::vector<int64_t> owners_;
};

/// The states of all ranks' optimizers in one file. Collective; rank 0 writes to `path`, one tensor
/// in memory at a time.
void write_sharded_state(Ranks& ranks, const NamedTensors& own, const std::filesystem::path& path);

}  // namespace sdxl
