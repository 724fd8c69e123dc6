// Bounds on predicted clean latents: clip_sample, and dynamic thresholding as in Imagen (Saharia et
// al. 2022, section 2.3).
#pragma once

#include <ATen/ATen.h>

#include "schedulers/scheduler_config.h"

namespace sdxl {

/// clip_sample and clip_sample_range.
struct SampleClipping {
  bool on = false;
  double range = 1.0;

  static SampleClipping read(const SchedulerConfig& config, bool default_on);
  at::Tensor apply(const at::Tensor& sample) const;
};

/// thresholding, dynamic_thresholding_ratio and sample_max_value: divides latents by a quantile of
/// their magnitudes if it is above 1.
struct DynamicThresholding {
  bool on = false;
  double ratio = 0.995, maximum = 1.0;

  static DynamicThresholding read(const SchedulerConfig& config);
  at::Tensor apply(const at::Tensor& sample) const;  ///< [B, …]
};

/// Thresholding if it is on, else clipping.
struct SampleLimits {
  DynamicThresholding thresholding;
  SampleClipping clipping;

  static SampleLimits read(const SchedulerConfig& config, bool default_clip);
  at::Tensor apply(const at::Tensor& sample) const;
};

}  // namespace sdxl
