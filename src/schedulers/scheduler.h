// Samplers. A scheduler turns a model's predictions into the next latents. One file an algorithm;
// to add one: its file and its line in the table of scheduler.cc.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace sdxl {

class SchedulerConfig;

class Scheduler {
 public:
  virtual ~Scheduler() = default;

  /// Plans a run of `steps` >= 1; resets all state. Error(kUsage) for a number of steps that the
  /// algorithm can't do.
  void set_timesteps(int64_t steps);
  /// Plans by explicit timesteps, or by sigmas of which the last is where the run ends;
  /// Error(kUsage) where the algorithm knows no such thing or the values won't do.
  void set_custom_timesteps(const std::vector<double>& timesteps);
  void set_custom_sigmas(const std::vector<double>& sigmas);

  /// What the model is called with, in order: float32 on the CPU; may be fractional. Its length can
  /// differ from the number of steps (Heun, PNDM).
  const at::Tensor& timesteps() const { return timesteps_; }
  virtual double init_noise_sigma() const { return 1.0; }

  /// The model's input for call `index`.
  virtual at::Tensor scale_model_input(const at::Tensor& sample, int64_t index) const {
    (void)index;
    return sample;
  }
  /// The latents after call `index`, in `sample`'s dtype. Calls come in order from 0. Noise, where
  /// the algorithm adds any, is drawn on the CPU from `generator`.
  virtual at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                          const at::Generator& generator) = 0;

 protected:
  explicit Scheduler(const SchedulerConfig& config);

  virtual void plan(int64_t steps) = 0;
  virtual void plan_timesteps(const std::vector<double>& timesteps);
  virtual void plan_sigmas(const std::vector<double>& sigmas);

  /// Normal noise like `like` in shape and device, drawn on the CPU in `dtype`.
  static at::Tensor draw_noise(const at::Tensor& like, at::ScalarType dtype,
                               const at::Generator& generator);

  const std::string name_;
  at::Tensor timesteps_;
};

/// From a scheduler_config.json. `name` is one of scheduler_names() ("euler", "dpmpp_2m_karras",
/// …), or "" for the class that the config names. `overrides` (an object or null) are config keys
/// that replace the file's. Error(kUsage) for an unknown name or an override that the scheduler
/// does not know, Error(kBadData) for a config value that is not known.
std::unique_ptr<Scheduler> make_scheduler(const std::string& name, const Json& config,
                                          const Json& overrides, const std::string& source);
std::vector<std::string> scheduler_names();

}  // namespace sdxl
