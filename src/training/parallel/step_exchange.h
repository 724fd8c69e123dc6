// Communication between ranks in an optimizer step. The base class serves a single process.
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
  virtual int64_t world_size() const { return 1; }
  /// Receives gradients as they become ready; null if they stay in this process.
  virtual GradientExchange* gradients() { return nullptr; }
  /// The norm of all gradients of the step, from the norm of those that this rank holds.
  virtual double total_norm(double local) const { return local; }
  /// Returns the gradients of the tensors that this rank's optimizer steps.
  virtual std::vector<at::Tensor> select_owned(std::vector<at::Tensor> gradients) const {
    return gradients;
  }
  /// Called after the optimizer's step: distributes new weights.
  virtual void finish_update() {}
  /// Merges the reports of all ranks. If any rank was asked to stop, asks all of them.
  virtual void merge_reports(StepReport&) {}
};

class RankedStep : public StepExchange {
 public:
  /// `shards` may be null. While the object lives, ranks agree on stops (base/stop.h: hold_stops).
  RankedStep(Ranks& ranks, const std::vector<TrainedTensor>& tensors, OptimizerShards* shards);
  ~RankedStep() override;

  int64_t world_size() const override { return ranks_.size(); }
  GradientExchange* gradients() override { return &gradients_; }
  double total_norm(double local) const override;
  std::vector<at::Tensor> select_owned(std::vector<at::Tensor> gradients) const override;
  void finish_update() override;
  void merge_reports(StepReport& report) override;

 private:
  Ranks& ranks_;
  OptimizerShards* shards_;
  GradientExchange gradients_;
};

}  // namespace sdxl
