#include "training/parallel/gradient_exchange.h"

#include <ATen/core/grad_mode.h>

#include "base/text.h"

namespace sdxl {
namespace {

constexpr int64_t kBucketElements = (25 << 20) / int64_t{sizeof(float)};

}  // namespace

GradientExchange::GradientExchange(Ranks& ranks, const std::vector<TrainedTensor>& tensors,
                                   const std::vector<int64_t>& owners)
    : ranks_(ranks), places_(tensors.size()) {
  for (const TrainedTensor& tensor : tensors) values_.push_back(tensor.leaf());
  const int64_t bucket_elements = kBucketElements * (owners.empty() ? 1 : chunk_scale(ranks));
  for (size_t i = tensors.size(); i-- > 0;) {
    const int64_t owner = owners.empty() ? -1 : owners[i];
    if (buckets_.empty() || buckets_.back().elements >= bucket_elements ||
        buckets_.back().owner != owner) {
      buckets_.emplace_back();
      buckets_.back().owner = owner;
    }
    Bucket& bucket = buckets_.back();
    places_[i] = {buckets_.size() - 1, bucket.elements, false};
    bucket.members.push_back(i);
    bucket.elements += values_[i].numel();
  }
}

at::Tensor GradientExchange::view(size_t index) const {
  const at::Tensor& value = values_[index];
  return buckets_[places_[index].bucket].flat.as_strided(value.sizes(), value.strides(),
                                                         places_[index].offset);
}

void GradientExchange::allocate(Bucket& bucket, at::Device device) const {
  if (bucket.flat.defined()) return;
  const auto count = static_cast<int64_t>(bucket.members.size());
  bucket.flat = at::zeros({bucket.elements + count}, at::dtype(at::kFloat).device(device));
}

void GradientExchange::put(size_t index, const at::Tensor& gradient) {
  const at::NoGradGuard no_grad;
  Place& place = places_[index];
  Bucket& bucket = buckets_[place.bucket];
  if (place.filled) {
    throw Error(ExitStatus::kFailure,
                sdxl::str("trained tensor ", index, " got two gradients in one step"));
  }
  allocate(bucket, gradient.device());
  view(index).copy_(gradient);
  place.filled = true;
  ++bucket.filled;
  while (started_ < buckets_.size() &&
         buckets_[started_].filled == buckets_[started_].members.size()) {
    start(buckets_[started_++]);
    if (started_ > kMaxInFlight) free_sent(buckets_[started_ - 1 - kMaxInFlight]);
  }
}

void GradientExchange::free_sent(Bucket& bucket) {
  if (is_owned(bucket)) return;
  bucket.transfer->wait();
  bucket.transfer.reset();
  bucket.flat.reset();
}

void GradientExchange::start(Bucket& bucket) {
  const at::Tensor counts = at::zeros({std::ssize(bucket.members)});
  for (int64_t k = 0; k < counts.numel(); ++k) {
    if (places_[bucket.members[k]].filled) counts[k] = 1.0f;
  }
  bucket.flat.slice(0, bucket.elements).copy_(counts);
  bucket.transfer = bucket.owner < 0 ? ranks_.start_all_reduce(bucket.flat)
                                     : ranks_.start_reduce(bucket.flat, bucket.owner);
}

std::vector<at::Tensor> GradientExchange::take() {
  const at::NoGradGuard no_grad;
  while (started_ < buckets_.size()) {
    Bucket& bucket = buckets_[started_++];
    allocate(bucket, values_[bucket.members[0]].device());
    start(bucket);
  }
  std::vector<at::Tensor> sums(values_.size());
  for (Bucket& bucket : buckets_) {
    if (bucket.transfer) bucket.transfer->wait();
    bucket.transfer.reset();
    if (is_owned(bucket)) {
      const at::Tensor counts = bucket.flat.slice(0, bucket.elements).cpu();
      for (size_t k = 0; k < bucket.members.size(); ++k) {
        const size_t index = bucket.members[k];
        if (counts[static_cast<int64_t>(k)].item<float>() > 0) sums[index] = view(index);
      }
    }
    for (const size_t index : bucket.members) places_[index].filled = false;
    bucket.filled = 0;
    bucket.flat.reset();  // the views hold it
  }
  started_ = 0;
  return sums;
}

}  // namespace sdxl
