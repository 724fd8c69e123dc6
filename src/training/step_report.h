// What the trainer reports after each optimizer step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sdxl {

/// The loss of one sample of a step.
struct SampleLoss {
  int64_t draw;      ///< Position in the stream of samples.
  std::string name;  ///< The picture's.
  int64_t timestep;
  double loss;
};

struct StepReport {
  int64_t step = 0;          ///< Steps done, this one included.
  double loss = 0;           ///< Mean of the weighted loss over the samples.
  double learning_rate = 0;  ///< Of the first parameter group in this step.
  double gradient_norm = 0;  ///< Before clipping.
  double loss_scale = 0;     ///< 0 without loss scaling.
  double data_wait = 0;      ///< Seconds spent waiting for the step's batches.
  std::vector<SampleLoss> samples;
};

}  // namespace sdxl
