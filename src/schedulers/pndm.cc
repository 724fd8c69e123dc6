// Pseudo numerical methods (Liu et al. 2022): three steps of pseudo Runge-Kutta, four calls of the
// model each, then pseudo linear multistep; skip_prk_steps starts the latter by itself.
#include "base/error.h"
#include "base/text.h"
#include "schedulers/alpha_scheduler.h"

namespace sdxl {
namespace {

class PndmScheduler : public AlphaScheduler {
 public:
  explicit PndmScheduler(const SchedulerConfig& config)
      : AlphaScheduler(config, {}, {"epsilon", "v_prediction"}, "leading"),
        skip_prk_(config.flag("skip_prk_steps", false)) {
    final_alpha_ = read_final_alpha(config, process_, false);
  }

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator&) override {
    return index < prk_calls_ ? step_prk(model_output, index, sample)
                              : step_plms(model_output, index, sample);
  }

 protected:
  void plan(int64_t steps) override {
    // Ascending here, as the paper counts.
    const std::vector<double> whole = reversed(spacing_.timesteps(num_train_timesteps(), steps));
    stride_ = num_train_timesteps() / steps;
    const std::vector<double> calls = skip_prk_ ? plms_calls(whole) : prk_calls(whole);
    prk_calls_ = skip_prk_ ? 0 : 12;
    visit(calls);
    outputs_.clear();
    sum_ = first_sample_ = at::Tensor();
  }

 private:
  /// The last timestep but one comes twice: the first step is Heun's.
  static std::vector<double> plms_calls(const std::vector<double>& whole) {
    std::vector<double> calls = reversed(whole);
    if (calls.size() > 1) calls.insert(calls.begin() + 1, calls[1]);
    return calls;
  }

  /// Begin, middle, middle and end of the first three steps, then one call a step.
  std::vector<double> prk_calls(const std::vector<double>& whole) const {
    if (whole.size() < 4) {
      throw Error(ExitStatus::kUsage, "--num_inference_steps: the scheduler ", name_,
                  " needs 4 or more, not ", whole.size(),
                  ", unless its config sets skip_prk_steps");
    }
    const std::vector<double> falling = reversed(whole);
    const double half = static_cast<double>(stride_ / 2);
    std::vector<double> calls;
    for (int step = 0; step < 3; ++step) {
      const double middle = falling[step + 1] + half;
      calls.insert(calls.end(), {falling[step], middle, middle, falling[step + 1]});
    }
    calls.insert(calls.end(), falling.begin() + 3, falling.end());
    return calls;
  }

  at::Tensor step_prk(const at::Tensor& output, int64_t index, const at::Tensor& sample) {
    const int64_t begin = timestep(index / 4 * 4);
    const int64_t end = timestep(index) - (index % 2 == 1 ? 0 : stride_ / 2);
    at::Tensor slope = output;
    if (index % 4 == 0) {
      sum_ = 1.0 / 6.0 * output;
      outputs_.push_back(output);
      first_sample_ = sample;
    } else if (index % 4 < 3) {
      sum_ = sum_ + 1.0 / 3.0 * output;
    } else {
      slope = sum_ + 1.0 / 6.0 * output;
    }
    return move(first_sample_, begin, end, slope);
  }

  at::Tensor step_plms(const at::Tensor& output, int64_t index, const at::Tensor& sample) {
    if (skip_prk_ && index == 1) {  // the second call of Heun's step
      const int64_t end = timestep(index);
      return move(first_sample_, end + stride_, end, (output + outputs_.back()) / 2);
    }
    if (index == 0) first_sample_ = sample;
    outputs_.push_back(output);
    if (outputs_.size() > 4) outputs_.erase(outputs_.begin());
    return move(sample, timestep(index), timestep(index) - stride_, extrapolated());
  }

  /// Adams-Bashforth of the order that the outputs so far allow.
  at::Tensor extrapolated() const {
    const auto back = [this](size_t i) { return outputs_[outputs_.size() - i]; };
    switch (outputs_.size()) {
      case 1:
        return back(1);
      case 2:
        return (3 * back(1) - back(2)) / 2;
      case 3:
        return (23 * back(1) - 16 * back(2) + 5 * back(3)) / 12;
      default:
        return 1.0 / 24.0 * (55 * back(1) - 59 * back(2) + 37 * back(3) - 9 * back(4));
    }
  }

  /// Formula (9) of the paper, from timestep `from` to `to`.
  at::Tensor move(const at::Tensor& sample, int64_t from, int64_t to, at::Tensor output) const {
    const at::Tensor here = alpha(from), next = alpha(to);
    if (prediction_type_ == "v_prediction") output = predict(output, here, sample).epsilon;
    const at::Tensor divisor = here * (1 - next).sqrt() + (here * (1 - here) * next).sqrt();
    return (next / here).sqrt() * sample - (next - here) * output / divisor;
  }

  const bool skip_prk_;
  int64_t prk_calls_ = 0, stride_ = 0;
  std::vector<at::Tensor> outputs_;  // the newest last
  at::Tensor sum_, first_sample_;    // of the step under way
};

}  // namespace

std::unique_ptr<Scheduler> make_pndm(const SchedulerConfig& config) {
  return std::make_unique<PndmScheduler>(config);
}

}  // namespace sdxl
