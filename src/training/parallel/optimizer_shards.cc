// Sharing out, sending and collecting.
#include "training/parallel/optimizer_shards.h"

#include <c10/core/GradMode.h>

#include <map>

#include "base/error.h"
#include "base/text.h"
#include "io/safetensors.h"
#include "training/parallel/gradient_exchange.h"

namespace sdxl {

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

std::vector<ParameterGroup> OptimizerShards::own_groups() const {
  std::vector<ParameterGroup> own = groups_;
  size_t index = 0;
  for (ParameterGroup& group : own) {
    std::vector<TrainedTensor> kept;
    for (const TrainedTensor& tensor : group.tensors) {
      if (owns(index++)) kept.push_back(tensor);
    }
    group.tensors = std::move(kept);
  }
  return own;
}

std::vector<at::Tensor> OptimizerShards::own(const std::vector<at::Tensor>& all) const {
  std::vector<at::Tensor> own;
  for (size_t i = 0; i < all.size(); ++i) {
    if (owns(i)) own.push_back(all[i]);
  }
  return own;
}

void OptimizerShards::release_others() {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (owns(i) || !tensors_[i].working.defined()) continue;
    // Everybody who holds the value shares its storage, which is emptied; the tensor stays as a
    // name for its shape, as FSDP's unsharded parameters do.
    c10::StorageImpl* storage = tensors_[i].value.storage().unsafeGetStorageImpl();
    storage->set_data_ptr_noswap(storage->allocator()->allocate(0));
    storage->set_nbytes(0);
  }
}

std::vector<OptimizerShards::Parcel> OptimizerShards::parcels() const {
  const int64_t elements_at_once = (int64_t{1} << 24) * pieces_in_one(ranks_);
  std::vector<Parcel> parcels;
  for (size_t begin = 0, end = 0; begin < tensors_.size(); begin = end) {
    int64_t elements = 0;
    while (end < tensors_.size() && owners_[end] == owners_[begin] &&
           tensors_[end].leaf().scalar_type() == tensors_[begin].leaf().scalar_type() &&
           elements < elements_at_once) {
      elements += tensors_[end++].leaf().numel();
    }
    parcels.push_back({begin, end, elements, {}, nullptr});
  }
  return parcels;
}

std::vector<std::pair<at::Tensor, at::Tensor>> OptimizerShards::contents(
    const Parcel& parcel) const {
  std::vector<std::pair<at::Tensor, at::Tensor>> contents;
  int64_t offset = 0;
  for (size_t i = parcel.begin; i < parcel.end; ++i) {
    const at::Tensor leaf = tensors_[i].leaf().detach();
    contents.emplace_back(leaf, parcel.flat.as_strided(leaf.sizes(), leaf.strides(), offset));
    offset += leaf.numel();
  }
  return contents;
}

void OptimizerShards::send(Parcel& parcel) {
  parcel.flat = at::empty({parcel.elements}, tensors_[parcel.begin].leaf().options());
  if (owns(parcel.begin)) {
    for (const auto& [weight, place] : contents(parcel)) place.copy_(weight);
  }
  parcel.transfer = ranks_.start_broadcast(parcel.flat, owners_[parcel.begin]);
}

void OptimizerShards::take_in(Parcel& parcel) {
  parcel.transfer->wait();
  parcel.transfer.reset();
  if (!owns(parcel.begin)) {
    for (const auto& [weight, place] : contents(parcel)) weight.copy_(place);
  }
  parcel.flat.reset();
}

void OptimizerShards::exchange_weights() {
  const c10::NoGradGuard no_grad;
  std::vector<Parcel> all = parcels();
  for (size_t sent = 0, taken = 0; taken < all.size(); ++taken) {
    while (sent < std::min(all.size(), taken + kMostUnderWay)) send(all[sent++]);
    take_in(all[taken]);
  }
}

std::vector<at::Tensor> OptimizerShards::whole(const std::vector<at::Tensor>& own,
                                               std::optional<at::ScalarType> dtype) {
  const c10::NoGradGuard no_grad;
  std::vector<at::Tensor> values;
  size_t next = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const at::Tensor mine = owns(i) ? own[next++] : at::Tensor();
    const at::Tensor like =
        at::empty(tensors_[i].value.sizes(),
                  at::dtype(dtype.value_or(tensors_[i].value.scalar_type())).device(at::kMeta));
    values.push_back(ranks_.to_first(mine, like, owners_[i]));
  }
  return values;
}

namespace {

/// Name, shape and dtype of the tensors, for ranks that do not have them.
Json layout_of(const NamedTensors& tensors) {
  Json layout = Json::array();
  for (const auto& [name, tensor] : tensors) {
    layout.push_back({name, tensor.sizes().vec(), static_cast<int>(tensor.scalar_type())});
  }
  return layout;
}

}  // namespace

void write_sharded_state(Ranks& ranks, const NamedTensors& own, const std::filesystem::path& path) {
  // 1. Everybody learns what there is and whose it is.
  struct Entry {
    int64_t owner;
    at::Tensor like;  // of no device: shape and dtype
  };
  NamedTensors all;
  std::map<std::string, Entry> entries;
  const std::vector<std::string> layouts = ranks.gather(layout_of(own).dump());
  for (int64_t rank = 0; rank < ranks.size(); ++rank) {
    for (const Json& entry : parse_json(layouts[rank], "another rank's layout")) {
      const at::Tensor like =
          at::empty(entry[1].get<std::vector<int64_t>>(),
                    at::dtype(static_cast<at::ScalarType>(entry[2].get<int>())).device(at::kMeta));
      const auto name = entry[0].get<std::string>();
      all.emplace_back(name, like);
      entries[name] = {rank, like};
    }
  }
  std::map<std::string, at::Tensor> mine(own.begin(), own.end());

  // 2. Rank 0 writes and asks for each tensor by its name; "" ends it.
  if (ranks.is_first()) {
    write_safetensors(path, all, [&](const std::string& name) {
      const Entry& entry = entries.at(name);
      if (entry.owner == 0) return mine.at(name);
      ranks.share(name);
      return ranks.to_first({}, entry.like, entry.owner);
    });
    ranks.share("");
    return;
  }
  for (std::string name = ranks.share(""); !name.empty(); name = ranks.share("")) {
    const Entry& entry = entries.at(name);
    const auto found = mine.find(name);
    ranks.to_first(found == mine.end() ? at::Tensor() : found->second, entry.like, entry.owner);
  }
}

}  // namespace sdxl
