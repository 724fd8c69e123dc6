#include "training/run/validation.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "io/images/image.h"
#include "io/images/png.h"
#include "training/run/run_files.h"

namespace sdxl {

ValidationPictures::ValidationPictures(PictureOptions options,
                                       std::vector<ValidationPrompt> prompts, SchedulerPlan plan,
                                       std::shared_ptr<const UNet2DConditionModel> unet,
                                       std::shared_ptr<const AutoencoderKL> vae, Ranks& ranks)
    : options_(std::move(options)),
      prompts_(std::move(prompts)),
      plan_(std::move(plan)),
      unet_(std::move(unet)),
      vae_(std::move(vae)),
      ranks_(ranks) {
  options_.denoise.on_step = [](int64_t, int64_t) {
    if (stop_signalled() != 0) throw Interrupted("drawing validation pictures");
  };
}

std::vector<Image> ValidationPictures::draw_prompt(size_t k) const {
  const auto side = static_cast<float>(options_.side);
  const DrawRequest request{prompts_[k].conditioning,
                            options_.seed + k,
                            options_.images_per_prompt,
                            options_.side,
                            options_.side,
                            {side, side, 0, 0, side, side},
                            options_.guidance_scale,
                            0.0};
  const std::vector<at::Tensor> latents = denoise(*unet_, plan_, {request}, options_.denoise);
  return decode_latents(*vae_, latents.front(), {.slicing = true});
}

std::optional<std::map<size_t, std::vector<Image>>> ValidationPictures::draw_share() const {
  std::map<size_t, std::vector<Image>> drawn;
  try {
    for (size_t k = ranks_.rank(); k < prompts_.size(); k += ranks_.size()) {
      drawn[k] = draw_prompt(k);
    }
  } catch (const Interrupted&) {
    return std::nullopt;
  }
  return drawn;
}

std::vector<Image> ValidationPictures::collect(size_t k, const std::vector<Image>& drawn) const {
  const int64_t from = static_cast<int64_t>(k) % ranks_.size();
  if (from == 0) return drawn;
  std::vector<Image> images;
  for (int64_t i = 0; i < options_.images_per_prompt; ++i) {
    const at::Tensor like =
        at::empty({options_.side, options_.side, 3}, at::dtype(at::kByte).device(at::kMeta));
    at::Tensor pixels;
    if (ranks_.rank() == from) {
      pixels = at::empty(like.sizes(), at::kByte);
      std::copy(drawn[i].rgb.begin(), drawn[i].rgb.end(), pixels.data_ptr<uint8_t>());
    }
    pixels = ranks_.send_to_first(pixels, like, from);
    if (!ranks_.is_first()) continue;
    const uint8_t* data = pixels.const_data_ptr<uint8_t>();
    images.push_back({options_.side, options_.side, {data, data + pixels.numel()}});
  }
  return images;
}

std::vector<TrackedImage> ValidationPictures::draw(const fs::path& directory) const {
  const at::NoGradGuard no_grad;
  // 1. Each rank draws its prompts. A stop on one rank discards the pictures of all.
  std::optional<std::map<size_t, std::vector<Image>>> drawn = draw_share();
  for (const std::string& state : ranks_.all_gather_text(drawn ? "drawn" : "stopped")) {
    if (state != "drawn") {
      throw Interrupted("stopped by a signal while drawing validation pictures");
    }
  }

  // 2. The first rank collects and writes them.
  std::vector<TrackedImage> tracked;
  std::string failure;
  const auto attempt = [&](const std::function<void()>& write) {
    try {
      write();
    } catch (const Error& error) {
      if (error.status() != ExitStatus::kFileError) throw;
      failure = error.what();
    }
  };
  if (ranks_.is_first()) attempt([&] { make_directories(directory); });
  for (size_t k = 0; k < prompts_.size(); ++k) {
    for (Image& image : collect(k, (*drawn)[k])) {
      if (!ranks_.is_first()) continue;
      attempt([&] {
        write_file_atomically(directory / picture_name(tracked.size(), options_.seed + k),
                              encode_png(image, {{"prompt", prompts_[k].text}}));
      });
      tracked.push_back({std::move(image), prompts_[k].text});
    }
  }
  if (!failure.empty()) log::warning(failure + "; the run goes on without this picture");
  return tracked;
}

ValidationLoss::ValidationLoss(Trainable& trainable, const Objective& objective,
                               std::vector<TrainingBatch> batches, Ranks& ranks)
    : trainable_(trainable), objective_(objective), batches_(std::move(batches)), ranks_(ranks) {}

double ValidationLoss::loss_sum(const TrainingBatch& batch, int64_t first, int64_t quarter) const {
  constexpr int64_t kFirstDraw = int64_t{1} << 48;  // beyond every draw of training
  const int64_t count = objective_.schedule().num_train_timesteps();
  std::vector<int64_t> draws, timesteps;
  for (int64_t sample = first; sample < first + batch.size(); ++sample) {
    // Consecutive samples take different sixteenths of the schedule.
    const int64_t sixteenth = 4 * quarter + sample % 4;
    timesteps.push_back((2 * sixteenth + 1) * count / 32);  // its middle
    draws.push_back(kFirstDraw + sample * kTimestepsPerSample + quarter);
  }
  const NoisedBatch noised =
      objective_.noised_at(batch.latents, draws, at::tensor(timesteps, at::kLong));
  const at::Tensor prediction = trainable_.predict(batch, noised.noisy, noised.timesteps);
  return objective_.losses(prediction, noised).sum().item<double>();
}

double ValidationLoss::measure() const {
  const at::NoGradGuard no_grad;
  const at::Tensor sums = at::zeros({std::ssize(batches_) * kTimestepsPerSample}, at::kDouble);
  int64_t samples = 0, slot = 0;
  for (const TrainingBatch& batch : batches_) {
    for (int64_t quarter = 0; quarter < kTimestepsPerSample; ++quarter, ++slot) {
      throw_if_stop_requested("measuring the validation loss");
      if (slot % ranks_.size() == ranks_.rank()) sums[slot] = loss_sum(batch, samples, quarter);
    }
    samples += batch.size();
  }
  ranks_.start_all_reduce(sums)->wait();  // each is 0 on all ranks but one
  double sum = 0;
  for (int64_t i = 0; i < sums.numel(); ++i) sum += sums[i].item<double>();
  return sum / static_cast<double>(samples * kTimestepsPerSample);
}

}  // namespace sdxl
