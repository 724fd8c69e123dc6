#include "schedulers/sample_limits.h"

namespace sdxl {

SampleClipping SampleClipping::read(const SchedulerConfig& config, bool default_on) {
  return {config.flag("clip_sample", default_on), config.number("clip_sample_range", 1.0)};
}

at::Tensor SampleClipping::apply(const at::Tensor& sample) const {
  return on ? sample.clamp(-range, range) : sample;
}

DynamicThresholding DynamicThresholding::read(const SchedulerConfig& config) {
  const DynamicThresholding read{config.flag("thresholding", false),
                                 config.number("dynamic_thresholding_ratio", 0.995),
                                 config.number("sample_max_value", 1.0)};
  if (!(read.ratio >= 0 && read.ratio <= 1)) {
    config.refuse("dynamic_thresholding_ratio", "use 0 to 1");
  }
  return read;
}

at::Tensor DynamicThresholding::apply(const at::Tensor& sample) const {
  if (!on) return sample;
  const at::Tensor flat = sample.to(at::kFloat).reshape({sample.size(0), -1});
  const at::Tensor limit =
      at::quantile(flat.abs(), ratio, /*dim=*/1).clamp(1, maximum).unsqueeze(1);  // [B, 1]
  return (at::clamp(flat, -limit, limit) / limit).reshape(sample.sizes()).to(sample.scalar_type());
}

SampleLimits SampleLimits::read(const SchedulerConfig& config, bool default_clip) {
  return {DynamicThresholding::read(config), SampleClipping::read(config, default_clip)};
}

at::Tensor SampleLimits::apply(const at::Tensor& sample) const {
  return thresholding.on ? thresholding.apply(sample) : clipping.apply(sample);
}

}  // namespace sdxl
