// DPM-Solver and DPM-Solver++ as a singlestep method: steps come in blocks of up to solver_order,
// each of which starts again from the latents at the block's beginning.
#include "schedulers/dpm_solver.h"

namespace sdxl {
namespace {

class DpmSolverSinglestepScheduler : public DpmSolver {
 public:
  explicit DpmSolverSinglestepScheduler(const SchedulerConfig& config)
      : DpmSolver(config, {}, TimestepSpacing{TimestepSpacing::Grid::kOpenEnd},
                  {"dpmsolver", "dpmsolver++", "sde-dpmsolver++"}),
        lower_order_final_(config.flag("lower_order_final", false)) {
    if (!plus_plus() && thresholding_.on) {
      config.refuse("thresholding", "it goes with algorithm_type dpmsolver++ only");
    }
  }

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator& generator) override {
    const at::Tensor converted = convert(model_output, index, sample);
    remember(converted);
    at::Tensor noise;
    if (is_sde()) noise = draw_noise(converted, converted.scalar_type(), generator);
    const int64_t order = std::min(orders_[index], static_cast<int64_t>(outputs_.size()));
    if (order == 1) block_sample_ = sample;
    return advance(block_sample_, level(index + 1 - order), level(index + 1),
                   derivatives(index, order), noise);
  }

 protected:
  void plan(int64_t steps) override {
    const std::vector<double> timesteps = spacing_.timesteps(
        num_train_timesteps(), steps, num_train_timesteps() - clipped_timesteps());
    Levels run = levels(timesteps, steps);
    if (sigma_spacing_.kind == SigmaSpacing::Kind::kKarras) run.timesteps = rounded(run.timesteps);
    start(std::move(run), last_sigma());
    plan_orders(steps);
  }

  void plan_timesteps(const std::vector<double>& timesteps) override {
    const std::vector<double> whole = explicit_timesteps(timesteps);
    start({whole, table_.at(whole)}, last_sigma());
    plan_orders(static_cast<int64_t>(whole.size()));
  }

 private:
  /// 1, 2, …, solver_order again and again; the last steps are of lower order where the number of
  /// steps or the last sigma asks for it, or the config.
  void plan_orders(int64_t steps) {
    const bool lower_final = lower_order_final_ || steps % solver_order_ != 0 || ends_at_zero();
    orders_.clear();
    for (int64_t i = 0; i < steps; ++i) orders_.push_back(i % solver_order_ + 1);
    if (lower_final && solver_order_ == 3 && steps % 3 == 0) orders_[steps - 1] = 1;
    if (lower_final && solver_order_ == 2 && steps % 2 == 0) orders_[steps - 1] = 1;
    if (ends_at_zero()) orders_[steps - 1] = 1;
    block_sample_ = at::Tensor();
  }

  /// Around the block's beginning, `order` - 1 calls before the last.
  Derivatives derivatives(int64_t index, int64_t order) const {
    const at::Tensor& m0 = outputs_[0];
    if (order == 1) return {m0, {}, {}};
    const at::Tensor base = level(index + 1 - order).lambda;
    const at::Tensor h = level(index + 1).lambda - base;
    const at::Tensor r0 = (level(index).lambda - base) / h;
    const at::Tensor& start = outputs_[order - 1];
    const at::Tensor slope = r0.reciprocal() * (m0 - start);
    if (order == 2) return {start, slope, {}, midpoint_};
    if (midpoint_) return {start, slope, {}};
    const at::Tensor r1 = (level(index - 1).lambda - base) / h;
    const at::Tensor early = r1.reciprocal() * (outputs_[1] - start);
    return {start, (r0 * early - r1 * slope) / (r0 - r1), 2.0 * (slope - early) / (r0 - r1)};
  }

  const bool lower_order_final_;
  std::vector<int64_t> orders_;  // of each call
  at::Tensor block_sample_;      // at the block's beginning
};

}  // namespace

std::unique_ptr<Scheduler> make_dpm_solver_singlestep(const SchedulerConfig& config) {
  return std::make_unique<DpmSolverSinglestepScheduler>(config);
}

}  // namespace sdxl
