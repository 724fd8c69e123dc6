// Drawing with SDXL: encoded prompts in, latents and pictures out. After diffusers'
// pipelines/stable_diffusion_xl/pipeline_stable_diffusion_xl.py, so that a seed means the same
// picture there and here.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conditioning/prompt_encoder.h"
#include "io/image.h"
#include "models/autoencoder_kl.h"
#include "models/unet_2d_condition.h"
#include "pipelines/unet_replay.h"
#include "schedulers/scheduler.h"

namespace sdxl {

/// The texts of one picture. An absent negative prompt is not the empty one: where the model says
/// force_zeros_for_empty_prompt it stands for zeros. Absent or empty, prompt_2 and
/// negative_prompt_2 are the first encoder's texts.
struct PromptTexts {
  std::string prompt;
  std::optional<std::string> prompt_2, negative_prompt, negative_prompt_2;
  int64_t clip_skip = 0;  ///< For the prompt alone; the negative one never skips.
  auto operator<=>(const PromptTexts&) const = default;
};

/// What one prompt's pictures are conditioned on.
struct PromptConditioning {
  at::Tensor hidden_states;           ///< [1, S, D]
  at::Tensor pooled;                  ///< [1, P]
  at::Tensor negative_hidden_states;  ///< [1, S, D]
  at::Tensor negative_pooled;         ///< [1, P]
};

/// `same_negative`, if any, is what the same encoder made of the same negative texts: it is shared.
PromptConditioning encode_prompt(const PromptEncoder& encoder, const PromptTexts& texts,
                                 bool force_zeros_for_empty_prompt,
                                 const PromptConditioning* same_negative = nullptr);

/// A prompt's pictures: `count` of them share one generator, as one batch of diffusers does.
struct DrawRequest {
  PromptConditioning conditioning;
  uint64_t seed = 0;
  int64_t count = 1;
  int64_t height = 1024, width = 1024;  ///< Pixels.
  std::array<float, 6> time_ids{};      ///< original h, w, crop top, left, target h, w
  double guidance_scale = 7.5, guidance_rescale = 0.0;
};

/// How a run is planned: a fresh scheduler whose timesteps are set.
using SchedulerPlan = std::function<std::unique_ptr<Scheduler>()>;

struct DenoiseOptions {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;                         ///< Of the UNet's weights.
  int64_t latent_scale = 8;                                  ///< Pixels a side of one latent cell.
  int64_t batch_size = 1;                                    ///< Pictures in one call of the UNet.
  std::function<void(int64_t step, int64_t steps)> on_step;  ///< After each call of the scheduler.
  /// Replays the UNet's calls where that is faster, from one denoise() to the next; null never
  /// does.
  UNetReplay* replay = nullptr;
};

/// Latents [count, C, h, w] for each request, in `dtype`. The requests share size and plan, and all
/// do or all do not use guidance (guidance_scale > 1); how they are batched changes no picture
/// beyond rounding. On an accelerator the last of the work may still be under way.
std::vector<at::Tensor> denoise(const UNet2DConditionModel& unet, const SchedulerPlan& plan,
                                const std::vector<DrawRequest>& requests,
                                const DenoiseOptions& options);

struct DecodeOptions {
  bool tiling = false;   ///< In overlapping tiles, for pictures too large for one pass.
  bool slicing = false;  ///< One picture at a time.
};

/// Pictures of latents [B, C, h, w]; the VAE computes in the dtype of its weights.
/// Error(kBadNumbers) when its output is not finite.
std::vector<Image> decode_latents(const AutoencoderKL& vae, const at::Tensor& latents,
                                  const DecodeOptions& options = {});

}  // namespace sdxl
