// DPM-Solver and DPM-Solver++ as a multistep method: derivatives come from the outputs of the last
// calls, one call a step.
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "schedulers/dpm_solver.h"

namespace sdxl {
namespace {

class DpmSolverMultistepScheduler : public DpmSolver {
 public:
  explicit DpmSolverMultistepScheduler(const SchedulerConfig& config)
      : DpmSolver(config, {.zero_snr = ForwardProcessTraits::ZeroSnr::kFloored},
                  TimestepSpacing::read(config, TimestepSpacing::Grid::kOpenEnd, "linspace"),
                  {"dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++"}),
        lower_order_final_(config.flag("lower_order_final", true)),
        euler_at_final_(config.flag("euler_at_final", false)),
        lu_lambdas_(config.flag("use_lu_lambdas", false)),
        whole_timesteps_(config.text("beta_schedule", "linear") != "squaredcos_cap_v2") {
    if (algorithm_ == "sde-dpmsolver" && solver_order_ == 3) {
      config.refuse("solver_order", "use 1 or 2 with algorithm_type sde-dpmsolver");
    }
  }

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator& generator) override {
    const at::Tensor converted = convert(model_output, index, sample);
    remember(converted);
    at::Tensor noise;
    if (is_sde()) noise = draw_noise(converted, at::kFloat, generator);
    return advance(sample.to(at::kFloat), level(index), level(index + 1),
                   derivatives(index, order(index)), noise)
        .to(converted.scalar_type());
  }

 protected:
  void plan(int64_t steps) override {
    const int64_t last = num_train_timesteps() - clipped_timesteps();
    const std::vector<double> timesteps = spacing_.timesteps(num_train_timesteps(), steps, last);
    const bool karras = sigma_spacing_.kind == SigmaSpacing::Kind::kKarras;
    Levels run = lu_lambdas_ && !karras ? lu_levels(steps) : levels(timesteps, steps);
    if ((karras || lu_lambdas_) && whole_timesteps_) run.timesteps = rounded(run.timesteps);
    start(std::move(run), last_sigma());
  }

  void plan_timesteps(const std::vector<double>& timesteps) override {
    if (lu_lambdas_) {
      throw Error(ExitStatus::kUsage, "--timesteps: the scheduler ", name_,
                  " cannot combine them with use_lu_lambdas; leave "
                  "one of the two out");
    }
    const std::vector<double> whole = explicit_timesteps(timesteps);
    start({whole, table_.at(whole)}, last_sigma());
  }

 private:
  /// Evenly spaced in log-sigma, by the table's float32 logarithms (Lu et al. 2022a).
  Levels lu_levels(int64_t steps) const {
    const std::vector<float>& logs = table_.log_sigmas();
    std::vector<double> sigmas;
    for (double ramp : linspace(0, 1, steps)) {
      const double from = logs.back(), to = logs.front();
      sigmas.push_back(std::exp(from + ramp * (to - from)));
    }
    return {table_.timesteps_of(sigmas), sigmas};
  }

  int64_t order(int64_t index) const {
    const bool few = lower_order_final_ && call_count() < kFewSteps;
    const int64_t left = call_count() - index;
    int64_t order = static_cast<int64_t>(outputs_.size());  // up to solver_order_
    if (left == 1 && (euler_at_final_ || few || ends_at_zero())) return 1;
    if (left == 2 && few) return std::min<int64_t>(order, 2);
    return order;
  }

  Derivatives derivatives(int64_t index, int64_t order) const {
    const at::Tensor& m0 = outputs_[0];
    if (order == 1) return {m0, {}, {}};
    const at::Tensor lambda = level(index).lambda, lambda_1 = level(index - 1).lambda;
    const at::Tensor h = level(index + 1).lambda - lambda, h_0 = lambda - lambda_1;
    const at::Tensor r0 = h_0 / h;
    const at::Tensor slope = r0.reciprocal() * (m0 - outputs_[1]);
    if (order == 2) return {m0, slope, {}, midpoint_};
    const at::Tensor r1 = (lambda_1 - level(index - 2).lambda) / h;
    const at::Tensor change = slope - r1.reciprocal() * (outputs_[1] - outputs_[2]);
    return {m0, slope + r0 / (r0 + r1) * change, (r0 + r1).reciprocal() * change};
  }

  const bool lower_order_final_, euler_at_final_, lu_lambdas_, whole_timesteps_;
};

}  // namespace

std::unique_ptr<Scheduler> make_dpm_solver_multistep(const SchedulerConfig& config) {
  return std::make_unique<DpmSolverMultistepScheduler>(config);
}

}  // namespace sdxl
