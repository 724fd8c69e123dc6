// Calls of the UNet in the denoising loop, recorded once as a graph of the device and then
// replayed: for small pictures, launching its thousands of kernels takes longer than running them.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/json.h"
#include "data/prompt_embeds.h"
#include "device/graph.h"
#include "models/unet_2d_condition.h"

namespace sdxl {

/// Inputs of the UNet that are the same in all steps of a picture.
struct UNetPrompt {
  PromptEmbeds embeds;    ///< [B, S, D] and [B, P]
  at::Tensor time_ids;    ///< [B, 6]
  UNetPromptCache cache;  ///< Filled by the first call.
  /// Rows of the batch for each thread, if threads share it. Filled by the first call.
  std::vector<UNetPrompt> parts;
};

/// Calls unet.forward() without gradients. The first call with a prompt fills its caches. On the
/// CPU, two to four threads each compute a part of the batch if its size is a multiple of their
/// number.
at::Tensor call_unet(const UNet2DConditionModel& unet, const at::Tensor& sample,
                     const at::Tensor& timestep, UNetPrompt& prompt);

/// Holds one recorded call, for inputs of one shape and weights at fixed addresses. Keeps the
/// memory of one call's activations until clear().
class UNetReplay {
 public:
  using Recorder = std::function<std::unique_ptr<DeviceGraph>(const at::Device&,
                                                              const std::function<void()>& work)>;
  /// Records on devices with graphs.
  UNetReplay() = default;
  /// Records with `recorder` on any device.
  explicit UNetReplay(Recorder recorder) : recorder_(std::move(recorder)) {}

  /// Starts a series of calls with new prompts. Weights may have new values since the last begin().
  /// Drops the recorded call if weights moved or the arithmetic of a layer is overridden.
  void begin(const UNet2DConditionModel& unet);

  /// call_unet() with the UNet of begin(). Recorded and direct calls give the same numbers.
  /// `calls_left`, which includes this call, decides whether recording pays off.
  at::Tensor forward(const at::Tensor& sample, const at::Tensor& timestep, UNetPrompt& prompt,
                     int64_t calls_left);

  bool holds_memory() const { return graph_ != nullptr; }
  /// Drops the recorded call and frees its memory.
  void clear();
  /// clear(), and never records again.
  void disable();

 private:
  bool fits(const at::Tensor& sample, const UNetPrompt& prompt) const;
  bool pays(const at::Tensor& sample, const UNetPrompt& prompt, int64_t calls_left) const;
  void record(const at::Tensor& sample, const at::Tensor& timestep, const UNetPrompt& prompt);
  /// Copies the prompt to where the recorded call reads it.
  void load(UNetPrompt& prompt);

  Recorder recorder_;  // null: capture_graph
  const UNet2DConditionModel* unet_ = nullptr;
  Json config_;
  std::vector<const void*> weights_;  // addresses
  bool disabled_ = false;
  bool decided_ = false;  // whether to record, until the next begin()

  // The graph reads and writes these tensors. The output is in the graph's memory.
  std::unique_ptr<DeviceGraph> graph_;
  at::Tensor sample_, timestep_, output_;
  UNetPrompt prompt_;
  at::Tensor loaded_;  // the added_embedding of the prompt that prompt_ has the values of
};

}  // namespace sdxl
