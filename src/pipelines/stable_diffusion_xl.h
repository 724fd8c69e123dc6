// The SDXL pipeline: encodes prompts, denoises latents and decodes pictures. It follows diffusers'
// pipelines/stable_diffusion_xl/pipeline_stable_diffusion_xl.py, so that a seed gives the same
// picture in both.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conditioning/prompt_encoder.h"
#include "io/images/image.h"
#include "models/autoencoder_kl.h"
#include "models/unet_2d_condition.h"
#include "pipelines/unet_replay.h"
#include "schedulers/scheduler.h"

namespace sdxl {

/// The texts of one picture. If prompt_2 or negative_prompt_2 is absent or empty, the second
/// encoder gets the text of the first. An absent negative prompt differs from an empty one: it
/// becomes zeros if the model's config has force_zeros_for_empty_prompt.
struct PromptTexts {
  std::string prompt;
  std::optional<std::string> prompt_2, negative_prompt, negative_prompt_2;
  int64_t clip_skip = 0;  ///< Applies to the prompt, not to the negative prompt.
  auto operator<=>(const PromptTexts&) const = default;
};

/// The embeddings of one prompt and of its negative prompt: [1, S, D] and [1, P] each.
struct PromptConditioning {
  PromptEmbeds positive, negative;
};

/// `shared_negative`, if not null, becomes the negative part; it must come from the same encoder
/// and negative texts.
PromptConditioning encode_prompt(const PromptEncoder& encoder, const PromptTexts& texts,
                                 bool force_zeros_for_empty_prompt,
                                 const PromptEmbeds* shared_negative = nullptr);

/// Pictures of one prompt. They share one generator, as the pictures of a batch do in diffusers.
struct DrawRequest {
  PromptConditioning conditioning;
  uint64_t seed = 0;
  int64_t count = 1;
  int64_t height = 1024, width = 1024;  ///< Pixels.
  std::array<float, 6> time_ids{};      ///< Original h, w; crop top, left; target h, w.
  double guidance_scale = 7.5, guidance_rescale = 0.0;
};

/// Returns a new scheduler whose timesteps are set.
using SchedulerPlan = std::function<std::unique_ptr<Scheduler>()>;

struct DenoiseOptions {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;                         ///< The UNet's.
  int64_t latent_scale = 8;                                  ///< Side of a latent cell in pixels.
  int64_t batch_size = 1;                                    ///< Pictures in one call of the UNet.
  std::function<void(int64_t step, int64_t steps)> on_step;  ///< Called after each step.
  /// Replays recorded calls of the UNet if that is faster; null disables this. Can be reused for
  /// later calls of denoise().
  UNetReplay* replay = nullptr;
};

/// Returns latents [count, C, h, w] in `dtype` for each request. All requests must have the same
/// size, and either all or none must use guidance (guidance_scale > 1). The batch size affects
/// pictures only by rounding. On an accelerator the last kernels may still be running.
std::vector<at::Tensor> denoise(const UNet2DConditionModel& unet, const SchedulerPlan& plan,
                                const std::vector<DrawRequest>& requests,
                                const DenoiseOptions& options);

struct DecodeOptions {
  bool tiling = false;   ///< Decodes overlapping tiles, for pictures too large for one pass.
  bool slicing = false;  ///< Decodes one picture at a time.
};

/// Decodes latents [B, C, h, w] in the dtype of the VAE's weights. Error(kBadNumbers) if the output
/// is not finite.
std::vector<Image> decode_latents(const AutoencoderKL& vae, const at::Tensor& latents,
                                  const DecodeOptions& options = {});

}  // namespace sdxl
