// The interface of samplers, which turn a model's predictions into the next latents. Each algorithm
// is one file of this folder; registry.h finds it by name.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace sdxl {

class SchedulerConfig;

class Scheduler {
 public:
  virtual ~Scheduler() = default;

  /// Plans a run of `steps` >= 1 and resets all state. Error(kUsage) if the algorithm cannot take
  /// that number of steps.
  void set_timesteps(int64_t steps);
  /// Plans a run by explicit timesteps, or by sigmas, of which the last is where the run ends.
  /// Error(kUsage) if the algorithm supports neither or cannot use the values.
  void set_custom_timesteps(const std::vector<double>& timesteps);
  void set_custom_sigmas(const std::vector<double>& sigmas);

  /// The timesteps to call the model with, in order: float32 on the CPU, perhaps fractional. There
  /// can be more calls than steps (Heun, PNDM).
  const at::Tensor& timesteps() const { return timesteps_; }
  /// The standard deviation of the noise that a run starts from.
  virtual double init_noise_sigma() const { return 1.0; }

  /// Returns the model's input for call `index`, of `sample`'s shape.
  virtual at::Tensor scale_model_input(const at::Tensor& sample, int64_t index) const {
    (void)index;
    return sample;
  }
  /// Returns the latents after call `index`, with `sample`'s shape and dtype. Call it in order from
  /// 0. Algorithms that add noise draw it on the CPU from `generator`.
  virtual at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                          const at::Generator& generator) = 0;

 protected:
  explicit Scheduler(const SchedulerConfig& config);

  virtual void plan(int64_t steps) = 0;
  virtual void plan_timesteps(const std::vector<double>& timesteps);
  virtual void plan_sigmas(const std::vector<double>& sigmas);

  /// Draws normal noise in `dtype` on the CPU and moves it to the device of `like`, whose shape it
  /// has.
  static at::Tensor draw_noise(const at::Tensor& like, at::ScalarType dtype,
                               const at::Generator& generator);

  const std::string name_;
  at::Tensor timesteps_;
};

}  // namespace sdxl
