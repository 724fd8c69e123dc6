// Noise, targets and weights, after diffusers' SDXL training scripts.
#include "training/objective.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "device/device.h"
#include "device/random.h"

namespace sdxl {
namespace {

struct DrawnNoise {
  at::Tensor noise, perturbation;  // [B, C, h, w] float32, CPU
};

DrawnNoise draw_noise(const at::Tensor& latents, const std::vector<int64_t>& draws, uint64_t seed,
                      bool perturb) {
  std::vector<at::Tensor> noise, perturbation;
  for (int64_t draw : draws) {
    at::Generator generator = stream_generator(seed, Stream::kNoise, static_cast<uint64_t>(draw));
    noise.push_back(at::randn(latents.sizes().slice(1), generator, at::kFloat));
    if (perturb) perturbation.push_back(at::randn(latents.sizes().slice(1), generator, at::kFloat));
  }
  return {at::stack(noise), perturb ? at::stack(perturbation) : at::Tensor()};
}

at::Tensor draw_offsets(int64_t channels, const std::vector<int64_t>& draws, uint64_t seed) {
  std::vector<at::Tensor> offsets;
  for (int64_t draw : draws) {
    at::Generator generator = stream_generator(seed, Stream::kOffset, static_cast<uint64_t>(draw));
    offsets.push_back(at::randn({channels, 1, 1}, generator, at::kFloat));
  }
  return at::stack(offsets);  // [B, C, 1, 1]
}

at::Tensor draw_timesteps(const at::Tensor& weights, int64_t count,
                          const std::vector<int64_t>& draws, uint64_t seed) {
  std::vector<at::Tensor> timesteps;
  for (int64_t draw : draws) {
    at::Generator generator =
        stream_generator(seed, Stream::kTimestep, static_cast<uint64_t>(draw));
    timesteps.push_back(weights.defined()
                            ? at::multinomial(weights, 1, /*replacement=*/true, generator)
                            : at::randint(0, count, {1}, generator, at::kLong));
  }
  return at::cat(timesteps);  // [B]
}

}  // namespace

at::Tensor timestep_weights(const TimestepBias& bias, int64_t count) {
  at::Tensor weights = at::ones({count}, at::kFloat);
  if (bias.strategy == "none") return weights / static_cast<double>(count);
  const auto share = static_cast<int64_t>(bias.portion * static_cast<double>(count));
  int64_t begin = 0, end = count;
  if (bias.strategy == "earlier") {
    end = share;
  } else if (bias.strategy == "later") {
    begin = count - share;
  } else {  // range
    begin = bias.begin;
    end = bias.end;
  }
  if (begin < 0 || end > count) {
    throw Error(ExitStatus::kUsage,
                sdxl::str("--timestep_bias_begin ", begin, " and --timestep_bias_end ", end,
                          " must lie within the model's ", count, " timesteps"));
  }
  weights.slice(0, begin, end).mul_(bias.multiplier);
  return weights / weights.sum();
}

Objective::Objective(NoiseSchedule schedule, ObjectiveOptions options)
    : schedule_(std::move(schedule)), options_(std::move(options)) {
  if (options_.bias.strategy != "none") {
    timestep_weights_ = timestep_weights(options_.bias, schedule_.num_train_timesteps());
  }
}

NoisedBatch Objective::noised(const at::Tensor& latents, const std::vector<int64_t>& draws) const {
  const uint64_t seed = options_.seed;
  NoisedBatch batch;

  // 1. Draw timesteps and noise on the CPU.
  batch.timesteps =
      draw_timesteps(timestep_weights_, schedule_.num_train_timesteps(), draws, seed);  // [B]
  auto [noise, perturbation] =
      draw_noise(latents, draws, seed, options_.input_perturbation != 0.0);  // [B, C, h, w]
  if (options_.noise_offset != 0.0) {
    noise = noise + options_.noise_offset * draw_offsets(latents.size(1), draws, seed);
  }
  batch.noise = to_device(noise, latents.device());

  // 2. Add the noise to the latents. A perturbation changes the input but not the target.
  at::Tensor input = batch.noise;
  if (perturbation.defined()) {
    input = to_device(noise + options_.input_perturbation * perturbation, latents.device());
  }
  batch.noisy = schedule_.add_noise(latents, input, batch.timesteps);

  // 3. Make the target and the samples' weights.
  batch.target = target(latents, batch.noise, batch.timesteps);
  if (options_.snr_gamma) {
    batch.weights = to_device(snr_weights(batch.timesteps), latents.device());
  }
  return batch;
}

NoisedBatch Objective::noised_at(const at::Tensor& latents, const std::vector<int64_t>& draws,
                                 const at::Tensor& timesteps) const {
  NoisedBatch batch;
  batch.timesteps = timesteps;
  batch.noise = to_device(draw_noise(latents, draws, options_.seed, false).noise, latents.device());
  batch.noisy = schedule_.add_noise(latents, batch.noise, timesteps);
  batch.target = target(latents, batch.noise, timesteps);
  return batch;
}

at::Tensor Objective::target(const at::Tensor& latents, const at::Tensor& noise,
                             const at::Tensor& timesteps) const {
  if (schedule_.prediction_type() == "v_prediction") {
    return schedule_.velocity(latents, noise, timesteps);
  }
  return schedule_.prediction_type() == "sample" ? latents : noise;
}

at::Tensor Objective::snr_weights(const at::Tensor& timesteps) const {
  const std::string& type = schedule_.prediction_type();
  at::Tensor snr = schedule_.snr(timesteps).to(at::kCPU);  // [B]
  if (options_.relative_snr && type == "v_prediction") snr = snr + 1;
  const at::Tensor clamped = snr.clamp_max(*options_.snr_gamma);
  if (!options_.relative_snr && type == "v_prediction") return clamped / (snr + 1);
  if (!options_.relative_snr && type == "sample") return clamped;
  // With zero terminal SNR the limit is 1.
  return at::where(snr > 0, clamped / snr, at::ones_like(snr));
}

at::Tensor Objective::losses(const at::Tensor& prediction, const NoisedBatch& batch) const {
  at::Tensor difference = prediction.to(at::kFloat) - batch.target;  // [B, C, h, w]
  if (schedule_.prediction_type() == "sample") difference = difference - batch.noise;
  at::Tensor elements = difference.square();
  if (options_.huber_c) {
    const double c = *options_.huber_c;
    elements = 2.0 * c * ((elements + c * c).sqrt() - c);
  }
  at::Tensor losses = elements.flatten(1).mean(1);  // [B]
  return batch.weights.defined() ? losses * batch.weights : losses;
}

}  // namespace sdxl
