#include "training/parallel/step_exchange.h"

#include <cmath>

#include "base/stop.h"

namespace sdxl {

RankedStep::RankedStep(Ranks& ranks, const std::vector<TrainedTensor>& tensors,
                       OptimizerShards* shards)
    : ranks_(ranks),
      shards_(shards),
      gradients_(ranks, tensors, shards != nullptr ? shards->owners() : std::vector<int64_t>()) {
  hold_stops(true);
}

RankedStep::~RankedStep() { hold_stops(false); }

double RankedStep::total_norm(double local) const {
  if (shards_ == nullptr) return local;  // all ranks have all sums
  const at::Tensor squares = at::full({1}, local * local, at::kDouble);
  ranks_.start_all_reduce(squares)->wait();
  return std::sqrt(squares.item<double>());
}

std::vector<at::Tensor> RankedStep::select_owned(std::vector<at::Tensor> gradients) const {
  return shards_ != nullptr ? shards_->select_owned(gradients) : std::move(gradients);
}

void RankedStep::finish_update() {
  if (shards_ != nullptr) shards_->broadcast_weights();
}

void RankedStep::merge_reports(StepReport& report) {
  Json samples = Json::array();
  for (const SampleLoss& sample : report.samples) {
    samples.push_back({sample.draw, sample.name, sample.timestep, sample.loss});
  }
  const Json mine = {{"loss", report.loss}, {"stop", stop_signalled()}, {"samples", samples}};
  report.samples.clear();
  report.loss = 0;
  int stop = 0;
  for (const Json& theirs : all_gather_json(ranks_, mine)) {
    report.loss += theirs["loss"].get<double>() / static_cast<double>(ranks_.size());
    stop = std::max(stop, theirs["stop"].get<int>());
    for (const Json& sample : theirs["samples"]) {
      report.samples.push_back({sample[0].get<int64_t>(), sample[1].get<std::string>(),
                                sample[2].get<int64_t>(), sample[3].get<double>()});
    }
  }
  if (stop != 0) agree_on_stop(stop);
}

}  // namespace sdxl
