// Samplers. A scheduler turns a model's predictions into the next latents. One file an algorithm;
// to add one: its file and its line in the table of scheduler.cc.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace sdxl {

class Scheduler {
 public:
  virtual ~Scheduler() = default;

  /// Plans a run of `num_inference_steps`; resets all state.
  virtual void set_timesteps(int64_t num_inference_steps) = 0;
  /// Plans by explicit timesteps or sigmas; Error(kUsage) where the algorithm knows none.
  virtual void set_custom_timesteps(const std::vector<double>& timesteps);
  virtual void set_custom_sigmas(const std::vector<double>& sigmas);

  /// What the model is called with, in order: float32 on the CPU; may be fractional. Its length can
  /// exceed num_inference_steps (Heun, PNDM).
  const at::Tensor& timesteps() const { return timesteps_; }
  double init_noise_sigma() const { return init_noise_sigma_; }

  /// The model's input for call `index`.
  virtual at::Tensor scale_model_input(const at::Tensor& sample, int64_t index) const {
    (void)index;
    return sample;
  }
  /// The latents after call `index`, in `sample`'s dtype. Calls come in order from 0. Noise, where the
  /// algorithm adds any, is drawn on the CPU from `generator`.
  virtual at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                          const at::Generator& generator) = 0;

 protected:
  at::Tensor timesteps_;
  double init_noise_sigma_ = 1.0;
};

/// From a scheduler_config.json. `name` is one of scheduler_names() ("euler", "dpmpp_2m_karras", …), or
/// "" for the class that the config names. `overrides` are config keys that replace the file's.
/// Error(kUsage) for an unknown name, Error(kBadData) for a config value that is not known.
std::unique_ptr<Scheduler> make_scheduler(const std::string& name, const Json& config,
                                          const Json& overrides, const std::string& source);
std::vector<std::string> scheduler_names();

}  // namespace sdxl
