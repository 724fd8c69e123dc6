// Plans an infer run: the prompts of --prompt and --prompt_file, each with its options.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "config/infer_config.h"
#include "pipelines/stable_diffusion_xl.h"

namespace sdxl {

/// One prompt of a run and its `count` pictures.
struct PictureJob {
  int64_t first_index = 0;  ///< Number of its first picture in the run.
  int64_t count = 1;
  PromptTexts texts;
  uint64_t seed = 0;
  int64_t height = 0, width = 0, num_inference_steps = 0;
  double guidance_scale = 0, guidance_rescale = 0;
  std::array<float, 6> time_ids{};
  std::optional<double> lora_scale;  ///< Multiplies every --lora_scale.

  bool guided() const { return guidance_scale > 1.0; }
  /// The options that shape the pictures, for the manifest and the PNG's text.
  Json parameters() const;
  /// The file name of its picture `number` (0 … count - 1).
  std::string file_name(int64_t number) const;
};

struct PicturePlan {
  std::vector<PictureJob> jobs;
  std::vector<Error> errors;  ///< Of lines of the prompt file that cannot be drawn.
};

/// `seed` is the run's: prompt k uses seed + k unless its line gives one. Sides default to
/// `default_side` pixels and must be multiples of 8 and of `latent_scale`. Error(kUsage) for
/// options that no picture can have; errors of single lines go to the plan.
PicturePlan plan_pictures(const InferConfig& config, uint64_t seed, int64_t default_side,
                          int64_t latent_scale);

}  // namespace sdxl
