// Validation pictures and validation loss.
#include "training/validation.h"

#include <c10/core/GradMode.h>

#include <array>
#include <cstdio>

#include "base/files.h"
#include "base/stop.h"
#include "base/text.h"
#include "io/image.h"

namespace sdxl {

ValidationPictures::ValidationPictures(PictureOptions options,
                                       std::vector<ValidationPrompt> prompts, SchedulerPlan plan,
                                       std::shared_ptr<const UNet2DConditionModel> unet,
                                       std::shared_ptr<const AutoencoderKL> vae)
    : options_(std::move(options)),
      prompts_(std::move(prompts)),
      plan_(std::move(plan)),
      unet_(std::move(unet)),
      vae_(std::move(vae)) {
  options_.denoise.on_step = [](int64_t, int64_t) {
    throw_if_stop_requested("drawing validation pictures");
  };
}

std::vector<TrackedImage> ValidationPictures::draw(const fs::path& directory) const {
  const c10::NoGradGuard no_grad;
  create_directories(directory);
  const auto side = static_cast<float>(options_.side);
  std::vector<TrackedImage> drawn;
  for (size_t k = 0; k < prompts_.size(); ++k) {
    const DrawRequest request{prompts_[k].conditioning,
                              options_.seed + k,
                              options_.images_per_prompt,
                              options_.side,
                              options_.side,
                              {side, side, 0, 0, side, side},
                              options_.guidance_scale,
                              0.0};
    const std::vector<at::Tensor> latents = denoise(*unet_, plan_, {request}, options_.denoise);
    for (Image& image : decode_latents(*vae_, latents.front(), {.slicing = true})) {
      std::array<char, 64> name;
      std::snprintf(name.data(), name.size(), "%05zu_%llu.png", drawn.size(),
                    static_cast<unsigned long long>(request.seed));
      write_file_atomically(directory / name.data(),
                            encode_png(image, {{"prompt", prompts_[k].text}}));
      drawn.push_back({std::move(image), prompts_[k].text});
    }
  }
  return drawn;
}

ValidationLoss::ValidationLoss(Trainable& trainable, const Objective& objective,
                               std::vector<TrainingBatch> batches)
    : trainable_(trainable), objective_(objective), batches_(std::move(batches)) {}

double ValidationLoss::measure() const {
  const c10::NoGradGuard no_grad;
  constexpr int64_t kTimestepsPerSample = 4;
  constexpr int64_t kFirstDraw = int64_t{1} << 48;  // beyond every draw of training
  const int64_t count = objective_.schedule().num_train_timesteps();
  double sum = 0;
  int64_t samples = 0, index = 0;
  for (const TrainingBatch& batch : batches_) {
    for (int64_t k = 0; k < kTimestepsPerSample; ++k) {
      throw_if_stop_requested("measuring the validation loss");
      std::vector<int64_t> draws, timesteps;
      for (int64_t i = 0; i < batch.size(); ++i) {
        // Sample after sample takes the next quarter of each of the four stretches.
        const int64_t place = 4 * k + (index + i) % 4;
        timesteps.push_back((2 * place + 1) * count / 32);
        draws.push_back(kFirstDraw + (index + i) * kTimestepsPerSample + k);
      }
      const NoisedBatch noised =
          objective_.noised_at(batch.latents, draws, at::tensor(timesteps, at::kLong));
      const at::Tensor prediction = trainable_.predict(batch, noised.noisy, noised.timesteps);
      sum += objective_.losses(prediction, noised).sum().item<double>();
      samples += batch.size();
    }
    index += batch.size();
  }
  return sum / static_cast<double>(samples);
}

}  // namespace sdxl
