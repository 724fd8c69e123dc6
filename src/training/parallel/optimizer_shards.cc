#include "training/parallel/optimizer_shards.h"

#include <ATen/core/grad_mode.h>

#include <map>

#include "base/error.h"
#include "base/text.h"
#include "io/safetensors.h"
#include "training/parallel/gradient_exchange.h"

namespace sdxl {
namespace {

/// A tensor in the state of some rank's optimizer.
struct StateEntry {
  std::string name;
  int64_t owner;
  at::Tensor like;  // a meta tensor: shape and dtype
};

/// The tensors of all ranks, rank by rank. Collective.
std::vector<StateEntry> gather_layouts(Ranks& ranks, const NamedTensors& owned) {
  Json mine = Json::array();
  for (const auto& [name, tensor] : owned) {
    mine.push_back({name, tensor.sizes().vec(), static_cast<int>(tensor.scalar_type())});
  }
  std::vector<StateEntry> entries;
  const std::vector<Json> layouts = all_gather_json(ranks, mine);
  for (int64_t rank = 0; rank < ranks.size(); ++rank) {
    for (const Json& entry : layouts[rank]) {
      const auto dtype = static_cast<at::ScalarType>(entry[2].get<int>());
      entries.push_back(
          {entry[0].get<std::string>(), rank,
           at::empty(entry[1].get<std::vector<int64_t>>(), at::dtype(dtype).device(at::kMeta))});
    }
  }
  return entries;
}

}  // namespace

OptimizerShards::OptimizerShards(Ranks& ranks, const std::vector<ParameterGroup>& groups)
    : ranks_(ranks), groups_(groups), tensors_(flatten(groups)) {
  const double total = static_cast<double>(count_elements(groups));
  double before = 0;
  for (const TrainedTensor& tensor : tensors_) {
    const auto count = static_cast<double>(tensor.value.numel());
    const double middle = (before + count / 2) / total;
    owners_.push_back(std::min(static_cast<int64_t>(middle * static_cast<double>(ranks.size())),
                               ranks.size() - 1));
    before += count;
  }
}

std::vector<ParameterGroup> OptimizerShards::owned_groups() const {
  std::vector<ParameterGroup> owned = groups_;
  size_t index = 0;
  for (ParameterGroup& group : owned) {
    std::vector<TrainedTensor> kept;
    for (const TrainedTensor& tensor : group.tensors) {
      if (owns(index++)) kept.push_back(tensor);
    }
    group.tensors = std::move(kept);
  }
  return owned;
}

std::vector<at::Tensor> OptimizerShards::select_owned(const std::vector<at::Tensor>& all) const {
  std::vector<at::Tensor> owned;
  for (size_t i = 0; i < all.size(); ++i) {
    if (owns(i)) owned.push_back(all[i]);
  }
  return owned;
}

void OptimizerShards::free_unowned_weights() {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (owns(i) || !tensors_[i].working.defined()) continue;
    // All holders of the value share its storage, so emptying the storage frees the memory. The
    // tensor keeps its shape, as FSDP's unsharded parameters do.
    c10::StorageImpl* storage = tensors_[i].value.storage().unsafeGetStorageImpl();
    storage->set_data_ptr_noswap(storage->allocator()->allocate(0));
    storage->set_nbytes(0);
  }
}

std::vector<OptimizerShards::Bucket> OptimizerShards::make_buckets() const {
  const int64_t elements_at_once = (int64_t{1} << 24) * chunk_scale(ranks_);
  std::vector<Bucket> buckets;
  for (size_t begin = 0, end = 0; begin < tensors_.size(); begin = end) {
    int64_t elements = 0;
    while (end < tensors_.size() && owners_[end] == owners_[begin] &&
           tensors_[end].leaf().scalar_type() == tensors_[begin].leaf().scalar_type() &&
           elements < elements_at_once) {
      elements += tensors_[end++].leaf().numel();
    }
    buckets.push_back({begin, end, elements, {}, nullptr});
  }
  return buckets;
}

std::vector<std::pair<at::Tensor, at::Tensor>> OptimizerShards::views(const Bucket& bucket) const {
  std::vector<std::pair<at::Tensor, at::Tensor>> views;
  int64_t offset = 0;
  for (size_t i = bucket.begin; i < bucket.end; ++i) {
    const at::Tensor leaf = tensors_[i].leaf().detach();
    views.emplace_back(leaf, bucket.flat.as_strided(leaf.sizes(), leaf.strides(), offset));
    offset += leaf.numel();
  }
  return views;
}

void OptimizerShards::start_broadcast(Bucket& bucket) {
  bucket.flat = at::empty({bucket.elements}, tensors_[bucket.begin].leaf().options());
  if (owns(bucket.begin)) {
    for (const auto& [weight, place] : views(bucket)) place.copy_(weight);
  }
  bucket.transfer = ranks_.start_broadcast(bucket.flat, owners_[bucket.begin]);
}

void OptimizerShards::finish_broadcast(Bucket& bucket) {
  bucket.transfer->wait();
  bucket.transfer.reset();
  if (!owns(bucket.begin)) {
    for (const auto& [weight, place] : views(bucket)) weight.copy_(place);
  }
  bucket.flat.reset();
}

void OptimizerShards::broadcast_weights() {
  const at::NoGradGuard no_grad;
  std::vector<Bucket> buckets = make_buckets();
  for (size_t started = 0, finished = 0; finished < buckets.size(); ++finished) {
    while (started < std::min(buckets.size(), finished + kMaxInFlight)) {
      start_broadcast(buckets[started++]);
    }
    finish_broadcast(buckets[finished]);
  }
}

std::vector<at::Tensor> OptimizerShards::gather_to_first(const std::vector<at::Tensor>& owned,
                                                         std::optional<at::ScalarType> dtype) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> values;
  size_t next = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const at::Tensor mine = owns(i) ? owned[next++] : at::Tensor();
    const at::Tensor like =
        at::empty(tensors_[i].value.sizes(),
                  at::dtype(dtype.value_or(tensors_[i].value.scalar_type())).device(at::kMeta));
    values.push_back(ranks_.send_to_first(mine, like, owners_[i]));
  }
  return values;
}

void write_sharded_state(Ranks& ranks, const NamedTensors& owned,
                         const std::filesystem::path& path) {
  // 1. All ranks learn which tensors there are and which rank owns each.
  NamedTensors all;
  std::map<std::string, StateEntry> entries;
  for (const StateEntry& entry : gather_layouts(ranks, owned)) {
    all.emplace_back(entry.name, entry.like);
    entries[entry.name] = entry;
  }
  const std::map<std::string, at::Tensor> mine(owned.begin(), owned.end());

  // 2. Rank 0 writes, and requests each tensor by name. An empty name ends the loop.
  if (ranks.is_first()) {
    write_safetensors(path, all, [&](const std::string& name) {
      const StateEntry& entry = entries.at(name);
      if (entry.owner == 0) return mine.at(name);
      ranks.broadcast_text(name);
      return ranks.send_to_first({}, entry.like, entry.owner);
    });
    ranks.broadcast_text("");
    return;
  }
  for (std::string name = ranks.broadcast_text(""); !name.empty();
       name = ranks.broadcast_text("")) {
    const StateEntry& entry = entries.at(name);
    const auto found = mine.find(name);
    ranks.send_to_first(found == mine.end() ? at::Tensor() : found->second, entry.like,
                        entry.owner);
  }
}

}  // namespace sdxl
