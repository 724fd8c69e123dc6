// Recording, and copying of inputs to where the recording reads them.
#include "pipelines/unet_replay.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "base/log.h"
#include "base/text.h"
#include "models/layers.h"

namespace sdxl {
namespace {

/// Latent cells of a call up to which launches are likely to take longer than kernels: two pictures
/// of 1024 pixels with guidance (on an H100 one is bound by launches, four are not).
constexpr int64_t kMostCells = 4 * 128 * 128;
/// Calls that make up for recording, which takes a little longer than a call.
constexpr int64_t kFewestCalls = 3;
/// Parts of a batch on the CPU: each reads all weights for itself.
constexpr int64_t kMostParts = 4;

bool has_method(const Module& module) {
  if (const auto* linear = dynamic_cast<const Linear*>(&module)) return linear->override_ != nullptr;
  if (const auto* conv = dynamic_cast<const Conv2d*>(&module)) return conv->override_ != nullptr;
  for (const Module* child : module.children()) {
    if (has_method(*child)) return true;
  }
  return false;
}

std::vector<const void*> addresses(const UNet2DConditionModel& unet) {
  std::vector<const void*> result;
  for (const NamedParameter& parameter : unet.parameters()) {
    result.push_back(parameter.tensor->const_data_ptr());
  }
  return result;
}

UNetPrompt copy_of(const UNetPrompt& prompt) {
  UNetPrompt copy{
      prompt.hidden_states.clone(), prompt.pooled.clone(), prompt.time_ids.clone(), {}, {}};
  copy.cache.added_embedding = prompt.cache.added_embedding.clone();
  for (const auto& [layer, key_value] : prompt.cache.key_values) {
    copy.cache.key_values[layer] = {key_value.first.clone(), key_value.second.clone()};
  }
  return copy;
}

/// Each thread computes a part of the batch by itself, so that none waits for another within the
/// call.
at::Tensor call_in_parts(const UNet2DConditionModel& unet, const at::Tensor& sample,
                         const at::Tensor& timestep, UNetPrompt& prompt, int64_t count) {
  const std::vector<at::Tensor> samples = sample.chunk(count);
  if (prompt.parts.empty()) {
    const auto hidden = prompt.hidden_states.chunk(count), pooled = prompt.pooled.chunk(count),
               ids = prompt.time_ids.chunk(count);
    for (int64_t i = 0; i < count; ++i) {
      prompt.parts.push_back(UNetPrompt{hidden[i], pooled[i], ids[i], {}, {}});
    }
  }
  std::vector<at::Tensor> outputs(count);
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;  // it is the thread's own
    for (int64_t i = begin; i < end; ++i) {
      UNetPrompt& part = prompt.parts[i];
      outputs[i] = unet.forward(samples[i], timestep, part.hidden_states, part.pooled,
                                part.time_ids, &part.cache);
    }
  });
  return at::cat(outputs);
}

}  // namespace

at::Tensor call_unet(const UNet2DConditionModel& unet, const at::Tensor& sample,
                     const at::Tensor& timestep, UNetPrompt& prompt) {
  const int64_t threads = sample.is_cpu() ? at::get_num_threads() : 1;
  if (threads > 1 && threads <= kMostParts && sample.size(0) % threads == 0) {
    return call_in_parts(unet, sample, timestep, prompt, threads);
  }
  return unet.forward(sample, timestep, prompt.hidden_states, prompt.pooled, prompt.time_ids,
                      &prompt.cache);
}

void UNetReplay::begin(const UNet2DConditionModel& unet) {
  settled_ = false;
  const at::Device device = unet.parameters().front().tensor->device();
  const bool can = recorder_ != nullptr || records_graphs(device);
  if (given_up_ || !can || has_method(unet)) {
    clear();
    settled_ = true;
    unet_ = &unet;
    return;
  }
  std::vector<const void*> weights = addresses(unet);
  if (unet_ != &unet || weights_ != weights || config_ != unet.config().json) clear();
  unet_ = &unet;
  weights_ = std::move(weights);
  config_ = unet.config().json;
}

void UNetReplay::clear() {
  output_ = sample_ = timestep_ = read_ = at::Tensor();
  prompt_ = UNetPrompt();
  graph_.reset();
}

void UNetReplay::give_up() {
  clear();
  given_up_ = settled_ = true;
}

bool UNetReplay::fits(const at::Tensor& sample, const UNetPrompt& prompt) const {
  return graph_ != nullptr && sample.sizes() == sample_.sizes() &&
         sample.scalar_type() == sample_.scalar_type() &&
         prompt.hidden_states.sizes() == prompt_.hidden_states.sizes() &&
         prompt.hidden_states.scalar_type() == prompt_.hidden_states.scalar_type();
}

/// A prompt that has been read has been through a call as it is, which sets up what must be.
bool UNetReplay::pays(const at::Tensor& sample, const UNetPrompt& prompt,
                      int64_t calls_left) const {
  return calls_left >= kFewestCalls && prompt.cache.added_embedding.defined() &&
         sample.size(0) * sample.size(2) * sample.size(3) <= kMostCells;
}

at::Tensor UNetReplay::forward(const at::Tensor& sample, const at::Tensor& timestep,
                               UNetPrompt& prompt, int64_t calls_left) {
  const at::NoGradGuard no_grad;
  if (!settled_ && !fits(sample, prompt)) {
    clear();
    if (pays(sample, prompt, calls_left)) record(sample, timestep, prompt);
  }
  if (!fits(sample, prompt)) return call_unet(*unet_, sample, timestep, prompt);
  settled_ = true;
  read(prompt);
  sample_.copy_(sample);
  timestep_.copy_(timestep);
  graph_->replay();
  return output_.clone();  // the next call writes it
}

void UNetReplay::record(const at::Tensor& sample, const at::Tensor& timestep,
                        const UNetPrompt& prompt) {
  settled_ = true;
  sample_ = sample.clone();
  timestep_ = timestep.clone();
  prompt_ = copy_of(prompt);
  read_ = prompt.cache.added_embedding;
  const Recorder& recorder = recorder_ ? recorder_ : Recorder(record_graph);
  graph_ = recorder(sample.device(),
                    [this] { output_ = call_unet(*unet_, sample_, timestep_, prompt_); });
  if (graph_ == nullptr) return give_up();
  log::debug(sdxl::str("recorded the UNet's call for ", sample.sizes(), " as a graph"));
}

void UNetReplay::read(UNetPrompt& prompt) {
  if (read_.is_same(prompt.cache.added_embedding)) return;
  unet_->read_prompt(prompt.hidden_states, prompt.pooled, prompt.time_ids, &prompt.cache);
  std::vector<at::Tensor> to = {prompt_.cache.added_embedding};
  std::vector<at::Tensor> from = {prompt.cache.added_embedding};
  for (auto& [layer, key_value] : prompt_.cache.key_values) {
    const auto& [key, value] = prompt.cache.key_values.at(layer);
    to.insert(to.end(), {key_value.first, key_value.second});
    from.insert(from.end(), {key, value});
  }
  at::_foreach_copy_(to, from);
  read_ = prompt.cache.added_embedding;
}

}  // namespace sdxl
