// Calls of the UNet in the denoising loop, recorded once where the device can and then replayed:
// at small sizes the launches of its thousands of kernels take longer than the kernels.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/json.h"
#include "device/graph.h"
#include "models/unet_2d_condition.h"

namespace sdxl {

/// What the UNet reads besides latents and timestep; the same for all steps of a picture.
struct UNetPrompt {
  at::Tensor hidden_states;  ///< [B, S, D]
  at::Tensor pooled;         ///< [B, P]
  at::Tensor time_ids;       ///< [B, 6]
  UNetPromptCache cache;     ///< Filled by the first call.
  /// The same in as many pieces as threads share the batch, where they do.
  std::vector<UNetPrompt> parts;
};

/// unet.forward() with a prompt, whose cache the first call fills; without gradients. On the CPU a
/// few threads share a batch that they can share evenly.
at::Tensor call_unet(const UNet2DConditionModel& unet, const at::Tensor& sample,
                     const at::Tensor& timestep, UNetPrompt& prompt);

/// Holds one recorded call, for inputs of one shape and one set of weights' memory. Its memory is
/// that of one call's activations, held until clear().
class UNetReplay {
 public:
  using Recorder = std::function<std::unique_ptr<DeviceGraph>(const at::Device&,
                                                              const std::function<void()>& work)>;
  /// Records on the devices that can.
  UNetReplay() = default;
  /// Records with `recorder`, whatever the device.
  explicit UNetReplay(Recorder recorder) : recorder_(std::move(recorder)) {}

  /// For the calls up to the next begin(), each with prompts that were not in calls before. The
  /// values of weights may have changed since the last begin(); if their memory has moved, or a
  /// layer's arithmetic is not its own, what is recorded is dropped.
  void begin(const UNet2DConditionModel& unet);

  /// call_unet() of begin()'s UNet, the same numbers whether recorded or not. `calls_left`: how
  /// many like this one there are, itself among them, for which recording may pay or not.
  at::Tensor forward(const at::Tensor& sample, const at::Tensor& timestep, UNetPrompt& prompt,
                     int64_t calls_left);

  bool holds_memory() const { return graph_ != nullptr; }
  /// Gives back the memory.
  void clear();
  /// The same for good: nothing is recorded from here on.
  void give_up();

 private:
  bool fits(const at::Tensor& sample, const UNetPrompt& prompt) const;
  bool pays(const at::Tensor& sample, const UNetPrompt& prompt, int64_t calls_left) const;
  void record(const at::Tensor& sample, const at::Tensor& timestep, const UNetPrompt& prompt);
  void read(UNetPrompt& prompt);

  Recorder recorder_;  // null: record_graph
  const UNet2DConditionModel* unet_ = nullptr;
  Json config_;
  std::vector<const void*> weights_;  // addresses
  bool given_up_ = false;
  bool settled_ = false;  // until the next begin(): recorded, or not to be recorded

  // The graph reads and writes these; the output lies in its memory and goes before it.
  std::unique_ptr<DeviceGraph> graph_;
  at::Tensor sample_, timestep_, output_;
  UNetPrompt prompt_;
  at::Tensor read_;  // which prompt's values are there: its added_embedding
};

}  // namespace sdxl
