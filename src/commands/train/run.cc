// A training run from its options to its result.
#include "commands/train/run.h"

#include <cstdio>
#include <exception>
#include <functional>
#include <limits>

#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "commands/inputs/repositories.h"
#include "commands/train/options.h"
#include "commands/train/output_directory.h"
#include "commands/train/state.h"
#include "device/back_end.h"
#include "device/device.h"
#include "distributed/process_ranks.h"
#include "schedulers/registry.h"
#include "training/trainables/weight_swap.h"

namespace sdxl {
namespace {

constexpr int64_t kSamplerSteps = 25;  // of validation pictures, as the scripts
constexpr int64_t kValidationLossSamples = 16;

/// The seed given, or that of the run that is resumed, or a new one; that of rank 0.
uint64_t choose_seed(const TrainConfig& config, const RunDirectory& directory, Ranks& ranks) {
  if (config.seed) return *config.seed;
  if (directory.resumed()) {
    const std::string source = directory.saved_state_source();
    const Json options =
        json_value(directory.saved_state(), "options", Json(Json::object()), source);
    return json_value(options, "seed", uint64_t{0}, source);
  }
  return draw_seed(ranks);
}

/// At its end the model computes with what is trained again.
struct TrainedAgain {
  Trainable& trainable;
  ~TrainedAgain() { trainable.set_trained(true); }
};

/// The parts of one run, in the order in which they are made; each needs those before it.
class TrainingRun {
 public:
  TrainingRun(const TrainConfig& config, const OptionSet& options, TrainingSubject& subject,
              Ranks& ranks, int64_t device_index)
      : config_(config),
        subject_(subject),
        ranks_(ranks),
        device_(select_device(config.device, {config.allow_tf32, /*repeatable=*/true,
                                              config.enable_npu_flash_attention, device_index})),
        pipeline_(config.pretrained_model_name_or_path, config.variant.value_or("")),
        directory_(config, ranks),
        context_{config,
                 pipeline_,
                 device_,
                 compute_dtype(config.mixed_precision),
                 choose_seed(config, directory_, ranks),
                 ranks},
        option_set_(options),
        options_(options.to_json()),
        data_(context_),
        length_(run_length(config, data_.size(), ranks.size())) {
    options_["seed"] = context_.seed;
    options_["_ranks"] = ranks.size();
    options_["_samples"] = data_.size();
    directory_.require_same_options(options_);
    require_steps_to_do();
    require_equal_texts(ranks, "kind of device", c10::DeviceTypeName(device_.type(), true));
    require_equal_texts(ranks, "data set", str(data_.size(), " samples"));
  }

  ExitStatus summarise() const {
    if (!ranks_.is_first()) return ExitStatus::kDone;
    std::printf("%s\n", data_.report().table().c_str());
    const Json line = {{"samples", data_.size()},
                       {"data", data_.report().json()},
                       {"steps_per_epoch", length_.steps_per_epoch},
                       {"max_train_steps", length_.max_steps},
                       {"seed", context_.seed},
                       {"device", device_.str()},
                       {"steps_done", first_step()}};
    std::printf("%s\n", line.dump().c_str());
    return ExitStatus::kDone;
  }

  ExitStatus train() {
    if (ranks_.is_first()) {
      directory_.begin(config_, options_);
      truncate_metrics(directory_.path() / "metrics.jsonl", first_step());
    }
    data_.prepare(subject_.trains_text_encoders());
    throw_if_stop_requested("before the first step");
    load_model();
    build_trainer();
    build_validation();
    run_steps();
    log::info(str("waited ", data_.waited_seconds(), " s in all for data"));
    const std::vector<at::Tensor> values = result_values();
    if (!ranks_.is_first()) return ExitStatus::kDone;
    subject_.write_result(context_, *model_.trainable, values);
    write_card();
    std::printf("%s\n", directory_.path().c_str());
    return ExitStatus::kDone;
  }

 private:
  int64_t first_step() const { return directory_.resumed() ? directory_.resumed()->step : 0; }

  /// A run cannot be made shorter than it is already.
  void require_steps_to_do() const {
    if (first_step() <= length_.max_steps) return;
    throw Error(
        ExitStatus::kUsage,
        str("--resume_from_checkpoint ", quoted(directory_.resumed()->path.string()), " has ",
            first_step(), " steps behind it and this run shall have ", length_.max_steps,
            ": give a greater --max_train_steps (or --num_train_epochs), or an earlier "
            "checkpoint"));
  }

  void load_model() {
    std::optional<fs::path> checkpoint;
    if (directory_.resumed()) checkpoint = directory_.resumed()->path;
    model_ = subject_.load(context_, data_, checkpoint);
    log::info(str("training ", count_elements(model_.trainable->parameter_groups()),
                  " parameters on ", data_.size(), " pictures: steps ", first_step() + 1, " to ",
                  length_.max_steps, ", ", length_.steps_per_epoch, " an epoch"));
  }

  void build_trainer() {
    objective_ = std::make_unique<Objective>(noise_schedule(context_),
                                             objective_options(config_, context_.seed));
    join_the_ranks();
    optimizer_ =
        make_optimizer(optimizer_name(config_),
                       shards_ ? shards_->own_groups() : model_.trainable->parameter_groups(),
                       optimizer_options(config_, context_.seed));
    if (config_.optimizer == "prodigy" && config_.learning_rate < 0.1) {
      log::warning(str("--learning_rate ", config_.learning_rate,
                       " multiplies the rate that prodigy finds by itself; 1 is usual"));
    }
    if (config_.use_ema) ema_ = std::make_unique<Ema>(optimizer_->tensors(), ema_options(config_));
    schedule_ = std::make_unique<LrSchedule>(
        lr_schedule_options(config_, length_.max_steps, ranks_.size()));
    trainer_ = std::make_unique<Trainer>(*model_.trainable, *objective_, *optimizer_, *schedule_,
                                         ema_.get(), data_.batches(directory_.samples_done()),
                                         trainer_options(config_, length_), exchange_.get());
    state_ = std::make_unique<TrainingState>(TrainingState{
        *model_.trainable, *optimizer_, *trainer_, ema_.get(), ranks_, shards_.get()});
    if (directory_.resumed()) state_->load(directory_);
  }

  /// What several ranks need to train as one.
  void join_the_ranks() {
    if (ranks_.alone()) return;
    if (config_.fused_backward) {
      throw Error(
          ExitStatus::kUsage,
          str("--fused_backward does not go with ", ranks_.size(),
              " processes, which add up their gradients first: leave it out; --zero_stage 1 "
              "saves memory too"));
    }
    const std::vector<ParameterGroup>& groups = model_.trainable->parameter_groups();
    require_equal_texts(ranks_, "model", fingerprint(groups));
    if (config_.zero_stage == 1) {
      shards_ = std::make_unique<OptimizerShards>(ranks_, groups);
      shards_->release_others();
    }
    exchange_ = std::make_unique<RankedStep>(ranks_, flatten(groups), shards_.get());
  }

  void build_validation() {
    if (config_.validation_loss_steps) {
      validation_loss_ = std::make_unique<ValidationLoss>(
          *model_.trainable, *objective_, data_.validation_batches(kValidationLossSamples), ranks_);
    }
    if (data_.validation_prompts().empty()) return;
    PictureOptions options;
    options.images_per_prompt = config_.num_validation_images;
    options.side = config_.validation_resolution.value_or(config_.resolution);
    options.seed = context_.seed;
    auto vae = load_vae(context_.vae_directory(), context_.variant(), {device_, context_.dtype},
                        /*with_encoder=*/false, /*with_decoder=*/true);
    options.denoise.device = device_;
    options.denoise.dtype = model_.unet->parameters().front().tensor->scalar_type();
    options.denoise.latent_scale = vae->config().scale_factor();
    Json overrides = Json::object();
    if (config_.prediction_type) overrides["prediction_type"] = *config_.prediction_type;
    const SchedulerPlan plan = [this, overrides] {
      auto scheduler = make_scheduler("", pipeline_.scheduler_config(), overrides,
                                      pipeline_.scheduler_config_source());
      scheduler->set_timesteps(kSamplerSteps);
      return scheduler;
    };
    pictures_ = std::make_unique<ValidationPictures>(options, data_.validation_prompts(), plan,
                                                     model_.unet, std::move(vae), ranks_);
  }

  void run_steps() {
    TrackerOptions tracker;
    tracker.output_dir = directory_.path();
    tracker.logging_dir = config_.logging_dir;
    tracker.run_name = subject_.run_name();
    tracker.config = options_;
    tracker.resume_step = first_step();
    log_ = ranks_.is_first() ? std::make_unique<RunLog>(
                                   directory_.path(), make_trackers(config_.report_to, tracker),
                                   first_step(), length_.max_steps, length_.steps_per_epoch)
                             : std::make_unique<RunLog>();
    if (config_.debug_loss) log_->tell_pictures();
    RunHooks hooks(run_schedule(config_, length_), actions(), *log_, first_step());
    const fs::path best = directory_.path() / "best.json";
    if (config_.keep_best_checkpoint && first_step() > 0 && fs::exists(best)) {
      const Json kept = read_json(best);
      hooks.set_best(json_value(kept, "validation_loss", std::numeric_limits<double>::infinity(),
                                best.string()));
      directory_.checkpoints().protect(json_value(kept, "step", int64_t{-1}, best.string()));
    }
    try {
      catch_up(hooks);
      trainer_->run(hooks);
    } catch (...) {
      log_->finish(1);
      throw;
    }
    if (pictures_) draw("test", length_.max_steps);
    log_->finish(0);
  }

  RunActions actions() {
    RunActions actions;
    actions.save = [this](int64_t step) { state_->save(directory_.checkpoints(), step, options_); };
    if (pictures_) actions.draw = [this](int64_t step) { draw("validation", step); };
    if (validation_loss_) {
      actions.validation_loss = [this](int64_t) {
        double loss = 0;
        with_result_weights([&] { loss = validation_loss_->measure(); });
        return loss;
      };
    }
    actions.keep_as_best = [this](int64_t step, double loss) {
      directory_.checkpoints().protect(step);
      if (!ranks_.is_first()) return;
      write_json(directory_.path() / "best.json", {{"step", step}, {"validation_loss", loss}});
      directory_.checkpoints().prune(step);  // the one that was the best
    };
    return actions;
  }

  void catch_up(RunHooks& hooks) const {
    const int64_t step = first_step();
    if (step == 0) return;
    const bool measured =
        !validation_loss_ ||
        first_finds(has_metric(directory_.path() / "metrics.jsonl", step, "validation_loss"));
    const bool drawn = !pictures_ || first_finds(fs::exists(pictures_of("validation", step)));
    hooks.catch_up(step, measured, drawn);
  }

  /// What the first rank has found.
  bool first_finds(bool found) const { return ranks_.share(found ? "yes" : "no") == "yes"; }

  fs::path pictures_of(const std::string& tag, int64_t step) const {
    return directory_.path() / "validation" / (tag == "test" ? tag : str("step-", step));
  }

  /// Calls `look` while the model computes with the weights that the result will have.
  void with_result_weights(const std::function<void()>& look) {
    if (!ema_) return look();
    std::exception_ptr stop;
    {
      const WeightSwap swap(optimizer_->tensors(), ema_->values());
      if (shards_) shards_->exchange_weights();
      try {
        look();
      } catch (const Interrupted&) {
        stop = std::current_exception();
      }
    }
    if (shards_) shards_->exchange_weights();
    if (stop) std::rethrow_exception(stop);
  }

  /// Pictures with the weights that the result will have; before the first, where the model can,
  /// those without what is trained. A stop leaves them unfinished.
  void draw(const std::string& tag, int64_t step) {
    try {
      const fs::path base = directory_.path() / "validation" / "base";
      if (!first_finds(fs::exists(base)) && model_.trainable->set_trained(false)) {
        const TrainedAgain after{*model_.trainable};
        draw_into(base, "base", step);
      }
      with_result_weights([&] { draw_into(pictures_of(tag, step), tag, step); });
    } catch (const Interrupted&) {
      log::info(str("stopped while drawing the pictures of step ", step));
    }
  }

  void write_card() const {
    ModelCard card = subject_.model_card();
    card.command = command_line(card.command, option_set_, context_.seed);
    card.samples = data_.size();
    card.steps = length_.max_steps;
    write_model_card(context_, card, config_.validation_prompt);
  }

  void draw_into(const fs::path& folder, const std::string& tag, int64_t step) {
    if (subject_.trains_text_encoders()) {
      pictures_->set_prompts(data_.encode_validation_prompts());
    }
    log_->images(tag, step, pictures_->draw(folder));
  }

  std::vector<at::Tensor> result_values() const {
    return ema_ ? state_->averages() : state_->values();
  }

  const TrainConfig& config_;
  TrainingSubject& subject_;
  Ranks& ranks_;
  at::Device device_;
  PipelineDirectory pipeline_;
  RunDirectory directory_;
  TrainingContext context_;
  const OptionSet& option_set_;
  Json options_;
  TrainingData data_;
  RunLength length_;
  TrainedModel model_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<OptimizerShards> shards_;
  std::unique_ptr<StepExchange> exchange_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Ema> ema_;
  std::unique_ptr<LrSchedule> schedule_;
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<TrainingState> state_;
  std::unique_ptr<ValidationLoss> validation_loss_;
  std::unique_ptr<ValidationPictures> pictures_;
  std::unique_ptr<RunLog> log_;
};

}  // namespace

ExitStatus run_training(const TrainConfig& config, const OptionSet& options,
                        TrainingSubject& subject) {
  const Launch launch = read_launch(config.local_rank);
  Ranks& ranks = join_ranks(
      launch, {std::chrono::milliseconds(static_cast<int64_t>(config.ddp_timeout * 1000.0))});
  return run_on_ranks(ranks, [&] {
    set_thread_count(threads_of_rank(config.num_threads, launch));
    require_equal_options(ranks, options.to_json());
    const TrainConfig local =
        in_turn(ranks, [&] { return with_local_files(config, config.dry_run); });
    TrainingRun run(local, options, subject, ranks, device_index(launch));
    return config.dry_run ? run.summarise() : run.train();
  });
}

}  // namespace sdxl
