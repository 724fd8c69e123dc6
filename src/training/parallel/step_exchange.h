// What ranks do together in an optimizer step. The base class is a run of one process.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "training/parallel/gradient_exchange.h"
#include "training/parallel/optimizer_shards.h"
#include "training/step_report.h"

namespace sdxl {

class StepExchange {
 public:
  virtual ~StepExchange() = default;
  virtual int64_t ranks() const { return 1; }
  /// Where gradients go as they become ready; null where they stay.
  virtual GradientExchange* gradients() { return nullptr; }
  /// The norm of the whole step's gradients, where `own` is that of what this rank has of them.
  virtual double norm(double own) const { return own; }
  /// Those that this rank's optimizer steps.
  virtual std::vector<at::Tensor> own(std::vector<at::Tensor> gradients) const { return gradients; }
  /// After an optimizer step.
  virtual void finish_update() {}
  /// Makes the report that of all ranks, and a stop that any of them was asked for one of all.
  virtual void complete(StepReport&) {}
};

class RankedStep : public StepExchange {
 public:
  /// `shards` may be null. While it lives, stops are agreed on (HeldStops).
  RankedStep(Ranks& ranks, const std::vector<TrainedTensor>& tensors, OptimizerShards* shards);
  ~RankedStep() override;

  int64_t ranks() const override { return ranks_.size(); }
  GradientExchange* gradients() override { return &gradients_; }
  double norm(double own) const override;
  std::vector<at::Tensor> own(std::vector<at::Tensor> gradients) const override;
  void finish_update() override;
  void complete(StepReport& report) override;

 private:
  Ranks& ranks_;
  OptimizerShards* shards_;
  GradientExchange gradients_;
};

}  // namespace sdxl
