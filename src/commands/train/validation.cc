#include "commands/train/validation.h"

#include <exception>

#include "base/files/files.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "training/run/run_files.h"
#include "training/trainables/weight_swap.h"

namespace sdxl {
namespace {

constexpr int64_t kSamplerSteps = 25;  // as the scripts' validation
constexpr int64_t kLossSamples = 16;

/// Switches the trained weights on again when a picture without them is done.
struct RestoreTrainedWeights {
  Trainable& trainable;
  ~RestoreTrainedWeights() { trainable.set_trained(true); }
};

}  // namespace

RunValidation::RunValidation(const ValidatedRun& run)
    : run_(run), output_dir_(run.context.config.output_dir) {
  if (run_.context.config.validation_loss_steps) {
    loss_ = std::make_unique<ValidationLoss>(run_.trainable, run_.objective,
                                             run_.data.validation_batches(kLossSamples),
                                             run_.context.ranks);
  }
  if (!run_.data.validation_prompts().empty()) load_pictures();
}

void RunValidation::load_pictures() {
  const TrainingContext& context = run_.context;
  const TrainConfig& config = context.config;
  auto vae = load_vae(context.inputs.vae, context.variant(), {context.device, context.dtype},
                      /*with_encoder=*/false, /*with_decoder=*/true);
  PictureOptions options;
  options.images_per_prompt = config.num_validation_images;
  options.side = config.validation_resolution.value_or(config.resolution);
  options.seed = context.seed;
  options.denoise.device = context.device;
  options.denoise.dtype = run_.unet->parameters().front().tensor->scalar_type();
  options.denoise.latent_scale = vae->config().scale_factor();
  Json overrides = Json::object();
  if (config.prediction_type) overrides["prediction_type"] = *config.prediction_type;
  const SchedulerPlan plan = [&pipeline = context.pipeline, overrides] {
    auto scheduler = make_scheduler("", pipeline.scheduler_config(), overrides,
                                    pipeline.scheduler_config_source());
    scheduler->set_timesteps(kSamplerSteps);
    return scheduler;
  };
  pictures_ = std::make_unique<ValidationPictures>(options, run_.data.validation_prompts(), plan,
                                                   run_.unet, std::move(vae), context.ranks);
}

double RunValidation::measure() {
  double loss = 0;
  with_result_weights([&] { loss = loss_->measure(); });
  return loss;
}

void RunValidation::draw(const std::string& tag, int64_t step, RunLog& log) {
  try {
    const fs::path base = output_dir_ / kBasePictures;
    if (!first_found(fs::exists(base)) && run_.trainable.set_trained(false)) {
      const RestoreTrainedWeights after{run_.trainable};
      draw_into(base, "base", step, log);
    }
    with_result_weights([&] { draw_into(folder_of(tag, step), tag, step, log); });
  } catch (const Interrupted&) {
    log::info(str("stopped while drawing the pictures of step ", step));
  }
}

void RunValidation::draw_into(const fs::path& folder, const std::string& tag, int64_t step,
                              RunLog& log) {
  if (run_.trains_text_encoders) pictures_->set_prompts(run_.data.encode_validation_prompts());
  log.images(tag, step, pictures_->draw(folder));
}

void RunValidation::catch_up(RunHooks& hooks, int64_t first_step) const {
  if (first_step == 0) return;
  const bool measured = !measures() || first_found(has_metric(output_dir_ / kMetricsFile,
                                                              first_step, "validation_loss"));
  const bool drawn = !draws() || first_found(fs::exists(folder_of("validation", first_step)));
  hooks.catch_up(first_step, measured, drawn);
}

bool RunValidation::first_found(bool found) const {
  return run_.context.ranks.broadcast_text(found ? "yes" : "no") == "yes";
}

fs::path RunValidation::folder_of(const std::string& tag, int64_t step) const {
  return output_dir_ / (tag == "test" ? std::string(kTestPictures) : step_pictures(step));
}

/// Calls `look` while the model computes with the moving average, if there is one.
void RunValidation::with_result_weights(const std::function<void()>& look) {
  if (run_.ema == nullptr) return look();
  std::exception_ptr stop;
  {
    const WeightSwap swap(run_.optimizer.tensors(), run_.ema->values());
    if (run_.shards != nullptr) run_.shards->broadcast_weights();
    try {
      look();
    } catch (const Interrupted&) {
      stop = std::current_exception();
    }
  }
  if (run_.shards != nullptr) run_.shards->broadcast_weights();
  if (stop) std::rethrow_exception(stop);
}

}  // namespace sdxl
