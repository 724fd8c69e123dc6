#include "pipelines/unet_replay.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "base/log.h"
#include "base/text.h"
#include "models/layers.h"

namespace sdxl {
namespace {

/// Latent cells in a call up to which launches dominate: two pictures of 1024 pixels with guidance.
/// (On an H100, one picture is bound by launches and four are not.)
constexpr int64_t kMaxCells = 4 * 128 * 128;
/// Calls that pay for recording, which takes a little longer than a call.
constexpr int64_t kMinCalls = 3;
/// Parts of a batch on the CPU. Each part reads all weights, so more do not pay off.
constexpr int64_t kMaxParts = 4;

bool has_method(const Module& module) {
  if (const auto* linear = dynamic_cast<const Linear*>(&module))
    return linear->override_ != nullptr;
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
  UNetPrompt copy;
  copy.embeds = {prompt.embeds.prompt_embeds.clone(), prompt.embeds.pooled_prompt_embeds.clone()};
  copy.time_ids = prompt.time_ids.clone();
  copy.cache.added_embedding = prompt.cache.added_embedding.clone();
  for (const auto& [layer, key_value] : prompt.cache.key_values) {
    copy.cache.key_values[layer] = {key_value.first.clone(), key_value.second.clone()};
  }
  return copy;
}

at::Tensor forward_with(const UNet2DConditionModel& unet, const at::Tensor& sample,
                        const at::Tensor& timestep, UNetPrompt& prompt) {
  return unet.forward(sample, timestep, prompt.embeds.prompt_embeds,
                      prompt.embeds.pooled_prompt_embeds, prompt.time_ids, &prompt.cache);
}

/// Each thread computes a part of the batch, so that threads need no synchronisation in the call.
at::Tensor call_in_parts(const UNet2DConditionModel& unet, const at::Tensor& sample,
                         const at::Tensor& timestep, UNetPrompt& prompt, int64_t count) {
  const std::vector<at::Tensor> samples = sample.chunk(count);
  if (prompt.parts.empty()) {
    const auto embeds = prompt.embeds.prompt_embeds.chunk(count);
    const auto pooled = prompt.embeds.pooled_prompt_embeds.chunk(count);
    const auto ids = prompt.time_ids.chunk(count);
    for (int64_t i = 0; i < count; ++i) {
      prompt.parts.push_back(UNetPrompt{{embeds[i], pooled[i]}, ids[i], {}, {}});
    }
  }
  std::vector<at::Tensor> outputs(count);
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;  // per thread
    for (int64_t i = begin; i < end; ++i) {
      outputs[i] = forward_with(unet, samples[i], timestep, prompt.parts[i]);
    }
  });
  return at::cat(outputs);
}

}  // namespace

at::Tensor call_unet(const UNet2DConditionModel& unet, const at::Tensor& sample,
                     const at::Tensor& timestep, UNetPrompt& prompt) {
  const int64_t threads = sample.is_cpu() ? at::get_num_threads() : 1;
  if (threads > 1 && threads <= kMaxParts && sample.size(0) % threads == 0) {
    return call_in_parts(unet, sample, timestep, prompt, threads);
  }
  return forward_with(unet, sample, timestep, prompt);
}

void UNetReplay::begin(const UNet2DConditionModel& unet) {
  decided_ = false;
  const at::Device device = unet.parameters().front().tensor->device();
  const bool records = recorder_ != nullptr || supports_graphs(device);
  if (disabled_ || !records || has_method(unet)) {
    clear();
    decided_ = true;
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
  output_ = sample_ = timestep_ = loaded_ = at::Tensor();
  prompt_ = UNetPrompt();
  graph_.reset();
}

void UNetReplay::disable() {
  clear();
  disabled_ = decided_ = true;
}

bool UNetReplay::fits(const at::Tensor& sample, const UNetPrompt& prompt) const {
  return graph_ != nullptr && sample.sizes() == sample_.sizes() &&
         sample.scalar_type() == sample_.scalar_type() &&
         prompt.embeds.prompt_embeds.sizes() == prompt_.embeds.prompt_embeds.sizes() &&
         prompt.embeds.prompt_embeds.scalar_type() == prompt_.embeds.prompt_embeds.scalar_type();
}

/// A prompt with a filled cache has been through a direct call, which did all lazy initialisation.
bool UNetReplay::pays(const at::Tensor& sample, const UNetPrompt& prompt,
                      int64_t calls_left) const {
  return calls_left >= kMinCalls && prompt.cache.added_embedding.defined() &&
         sample.size(0) * sample.size(2) * sample.size(3) <= kMaxCells;
}

at::Tensor UNetReplay::forward(const at::Tensor& sample, const at::Tensor& timestep,
                               UNetPrompt& prompt, int64_t calls_left) {
  const at::NoGradGuard no_grad;
  if (!decided_ && !fits(sample, prompt)) {
    clear();
    if (pays(sample, prompt, calls_left)) record(sample, timestep, prompt);
  }
  if (!fits(sample, prompt)) return call_unet(*unet_, sample, timestep, prompt);
  decided_ = true;
  load(prompt);
  sample_.copy_(sample);
  timestep_.copy_(timestep);
  graph_->replay();
  return output_.clone();  // the next replay overwrites it
}

void UNetReplay::record(const at::Tensor& sample, const at::Tensor& timestep,
                        const UNetPrompt& prompt) {
  decided_ = true;
  sample_ = sample.clone();
  timestep_ = timestep.clone();
  prompt_ = copy_of(prompt);
  loaded_ = prompt.cache.added_embedding;
  const Recorder& recorder = recorder_ ? recorder_ : Recorder(capture_graph);
  graph_ = recorder(sample.device(),
                    [this] { output_ = call_unet(*unet_, sample_, timestep_, prompt_); });
  if (graph_ == nullptr) return disable();
  log::debug(sdxl::str("recorded the UNet's call for ", sample.sizes(), " as a graph"));
}

void UNetReplay::load(UNetPrompt& prompt) {
  if (loaded_.is_same(prompt.cache.added_embedding)) return;
  unet_->read_prompt(prompt.embeds.prompt_embeds, prompt.embeds.pooled_prompt_embeds,
                     prompt.time_ids, &prompt.cache);
  std::vector<at::Tensor> to = {prompt_.cache.added_embedding};
  std::vector<at::Tensor> from = {prompt.cache.added_embedding};
  for (auto& [layer, key_value] : prompt_.cache.key_values) {
    const auto& [key, value] = prompt.cache.key_values.at(layer);
    to.insert(to.end(), {key_value.first, key_value.second});
    from.insert(from.end(), {key, value});
  }
  at::_foreach_copy_(to, from);
  loaded_ = prompt.cache.added_embedding;
}

}  // namespace sdxl
