// UniPC (Zhao et al. 2023): a multistep predictor, and a corrector of the same order that uses the
// next call's output at no cost.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "device/device.h"
#include "schedulers/log_snr_scheduler.h"

namespace sdxl {
namespace {

class UniPcMultistepScheduler : public LogSnrScheduler {
 public:
  explicit UniPcMultistepScheduler(const SchedulerConfig& config)
      : LogSnrScheduler(config, {.zero_snr = ForwardProcessTraits::ZeroSnr::kFloored},
                        TimestepSpacing::read(config, TimestepSpacing::Grid::kOpenEnd, "linspace")),
        predict_original_(config.flag("predict_x0", true)),
        lower_order_final_(config.flag("lower_order_final", true)),
        ends_at_zero_(config.choice("final_sigmas_type", "zero", {"zero", "sigma_min"}) == "zero"),
        // The solver types of DPM-Solver and DEIS mean the default.
        bh1_(config.choice("solver_type", "bh2", {"bh1", "bh2", "midpoint", "heun", "logrho"}) ==
             "bh1"),
        uncorrected_(config.integers("disable_corrector")),
        shift_terminal_(config.optional_number("shift_terminal")) {
    if (shift_terminal_ && !flow_) config.refuse("shift_terminal", "set use_flow_sigmas too");
    if (config.flag("use_dynamic_shifting", false)) {
      config.refuse("use_dynamic_shifting", "set it to false and give flow_shift");
    }
    if (!predict_original_ && prediction_type_ == "flow_prediction") {
      config.refuse("prediction_type", "set predict_x0 to true");
    }
  }

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator&) override {
    const at::Tensor output = predict_original_ ? original_sample(model_output, index, sample)
                                                : epsilon(model_output, index, sample);
    at::Tensor x = sample;
    if (index > 0 && !std::count(uncorrected_.begin(), uncorrected_.end(), index - 1)) {
      x = corrected(output, index);
    }
    remember(output);
    const int64_t most =
        lower_order_final_ ? std::min(solver_order_, call_count() - index) : solver_order_;
    order_ = std::min(most, static_cast<int64_t>(outputs_.size()));
    sample_ = x;
    return predicted(x, index);
  }

 protected:
  void plan(int64_t steps) override {
    Levels run = flow_ && sigma_spacing_.by_timesteps()
                     ? shifted_levels(steps)
                     : levels(spacing_.timesteps(num_train_timesteps(), steps), steps);
    if (sigma_spacing_.kind == SigmaSpacing::Kind::kKarras) {
      if (flow_) {
        for (size_t i = 0; i < run.sigmas.size(); ++i) {
          run.sigmas[i] = run.sigmas[i] / (run.sigmas[i] + 1);
          run.timesteps[i] = run.sigmas[i] * static_cast<double>(num_train_timesteps());
        }
      } else {
        run.timesteps = rounded(std::move(run.timesteps));
      }
    }
    const bool respaced = !sigma_spacing_.by_timesteps() || flow_;
    const double least = respaced ? run.sigmas.back() : table_.first();
    start(std::move(run), ends_at_zero_ ? 0.0 : least);
    sample_ = at::Tensor();
  }

 private:
  Levels shifted_levels(int64_t steps) const {
    const double train_steps = static_cast<double>(num_train_timesteps());
    Levels run{{}, linspace(1, 1 / train_steps, steps + 1)};
    run.sigmas.pop_back();
    for (double& sigma : run.sigmas) {
      sigma = flow_shift_ * sigma / (1 + (flow_shift_ - 1) * sigma);
    }
    if (shift_terminal_.value_or(0) != 0) {
      const double scale = (1 - run.sigmas.back()) / (1 - *shift_terminal_);
      for (double& sigma : run.sigmas) sigma = 1 - (1 - sigma) / scale;
    }
    constexpr double kLeast = 1e-6;  // sigma 1 would have no alpha to divide by
    if (std::fabs(run.sigmas.front() - 1) < kLeast) run.sigmas.front() -= kLeast;
    for (double sigma : run.sigmas) run.timesteps.push_back(sigma * train_steps);
    return run;
  }

  /// What predictor and corrector of one order share, for the step from `from` to `to`.
  struct Basis {
    at::Tensor base;         // the first-order step
    at::Tensor differences;  // [B, order - 1, …] of outputs over those of lambda, or undefined
    at::Tensor matrix;       // R [order, order]
    at::Tensor right_side;   // b [order]
    at::Tensor scale;        // of what is added to the base
  };

  Basis basis(const at::Tensor& x, int64_t from, int64_t to) const {
    const Level begin = level(from), end = level(to);
    const at::Tensor h = end.lambda - begin.lambda;
    const at::Tensor& m0 = outputs_[0];
    std::vector<at::Tensor> ratios, differences;
    for (int64_t i = 1; i < order_; ++i) {
      const at::Tensor ratio = (level(from - i).lambda - begin.lambda) / h;
      ratios.push_back(ratio);
      differences.push_back((outputs_[i] - m0) / ratio);
    }
    ratios.push_back(at::ones({}));

    const at::Tensor hh = predict_original_ ? -h : h;
    const at::Tensor phi_1 = hh.expm1();  // e^hh - 1
    const at::Tensor divisor = bh1_ ? hh : phi_1;
    std::vector<at::Tensor> rows, right_side;
    at::Tensor phi = phi_1 / hh - 1;
    int64_t factorial = 1;
    for (int64_t i = 1; i <= order_; ++i) {
      rows.push_back(at::stack(ratios).pow(i - 1));
      right_side.push_back(phi * factorial / divisor);
      factorial *= i + 1;
      phi = phi / hh - 1.0 / static_cast<double>(factorial);
    }
    const at::Tensor base = predict_original_
                                ? end.sigma / begin.sigma * x - end.alpha * phi_1 * m0
                                : end.alpha / begin.alpha * x - end.sigma * phi_1 * m0;
    return {base, differences.empty() ? at::Tensor() : at::stack(differences, 1), at::stack(rows),
            at::stack(right_side), (predict_original_ ? end.alpha : end.sigma) * divisor};
  }

  /// The weights of the differences. With a last sigma of 0, orders above 2 have no solution.
  static at::Tensor solved(const at::Tensor& matrix, const at::Tensor& right_side) {
    const auto [weights, info] = at::linalg_solve_ex(matrix, right_side);
    if (info.item<int>() == 0) return weights;
    throw Error(ExitStatus::kBadData,
                "the scheduler unipc cannot take its last step with this solver_order: in "
                "scheduler_config.json set lower_order_final to true, or solver_order to 2");
  }

  static at::Tensor weighted(const at::Tensor& weights, const at::Tensor& differences) {
    return at::einsum("k,bkc...->bc...", {weights, differences});
  }

  static at::Tensor like(const at::Tensor& x, const at::Tensor& weights) {
    return to_device(weights.to(x.scalar_type()), x.device());
  }

  at::Tensor predicted(const at::Tensor& x, int64_t index) const {
    const Basis by = basis(x, index, index + 1);
    if (order_ == 1) return (by.base - by.scale * 0).to(x.scalar_type());
    const int64_t inner = order_ - 1;
    const at::Tensor weights = order_ == 2 ? at::full({1}, 0.5)
                                           : solved(by.matrix.slice(0, 0, inner).slice(1, 0, inner),
                                                    by.right_side.slice(0, 0, inner));
    return (by.base - by.scale * weighted(like(x, weights), by.differences)).to(x.scalar_type());
  }

  /// The latents that call `index` should have begun with, now that its output is known.
  at::Tensor corrected(const at::Tensor& output, int64_t index) const {
    const at::Tensor& x = sample_;
    const Basis by = basis(x, index - 1, index);
    const at::Tensor weights =
        like(x, order_ == 1 ? at::full({1}, 0.5) : solved(by.matrix, by.right_side));
    at::Tensor change = weights[-1] * (output - outputs_[0]);
    if (order_ > 1) change = weighted(weights.slice(0, 0, -1), by.differences) + change;
    return (by.base - by.scale * change).to(x.scalar_type());
  }

  const bool predict_original_, lower_order_final_, ends_at_zero_, bh1_;
  const std::vector<int64_t> uncorrected_;
  const std::optional<double> shift_terminal_;
  int64_t order_ = 1;  // of the last step
  at::Tensor sample_;  // at the last step's beginning
};

}  // namespace

std::unique_ptr<Scheduler> make_uni_pc_multistep(const SchedulerConfig& config) {
  return std::make_unique<UniPcMultistepScheduler>(config);
}

}  // namespace sdxl
