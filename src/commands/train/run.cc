#include "commands/train/run.h"

#include <cstdio>
#include <limits>

#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "commands/inputs/resolved_inputs.h"
#include "commands/train/options.h"
#include "commands/train/output_directory.h"
#include "commands/train/state.h"
#include "commands/train/validation.h"
#include "device/device.h"
#include "distributed/process_ranks.h"
#include "schedulers/registry.h"
#include "training/optimizers/registry.h"
#include "training/run/run_files.h"
#include "training/trackers/registry.h"

namespace sdxl {
namespace {

/// --seed, else the seed of the resumed run, else a new one. Every rank gets rank 0's.
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

/// One run. Members are declared in the order in which they are made; each needs those before it.
class TrainingRun {
 public:
  TrainingRun(const TrainConfig& config, const ResolvedInputs& inputs, const OptionSet& options,
              TrainingTask& task, Ranks& ranks, int64_t device_index)
      : config_(config),
        task_(task),
        ranks_(ranks),
        device_(select_device(config.device, {config.allow_tf32, /*repeatable=*/true,
                                              config.enable_npu_flash_attention, device_index})),
        pipeline_(inputs.model, config.variant.value_or("")),
        directory_(config, ranks),
        context_{config,
                 inputs,
                 pipeline_,
                 device_,
                 compute_dtype(config.mixed_precision),
                 choose_seed(config, directory_, ranks),
                 ranks},
        option_set_(options),
        data_(context_),
        record_{options.to_json(), ranks.size(), data_.size()},
        length_(run_length(config, data_.size(), ranks.size())) {
    record_.options["seed"] = context_.seed;
    directory_.require_same_options(option_set_, record_);
    require_steps_to_do();
    require_equal_texts(ranks, "kind of device", c10::DeviceTypeName(device_.type(), true));
    require_equal_texts(ranks, "data set",
                        str(data_.size(), " samples, ", data_.fingerprint().substr(0, 16)));
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
      directory_.begin(config_, option_set_, record_);
      truncate_metrics(directory_.path() / kMetricsFile, first_step());
      list_what_is_left_out();
    }
    data_.prepare(task_.trains_text_encoders());
    throw_if_stop_requested("before the first step");
    load_model();
    build_trainer();
    build_validation();
    run_steps();
    log::info(str("waited ", data_.waited_seconds(), " s in all for data"));
    const std::vector<at::Tensor> values = result_values();
    if (!ranks_.is_first()) return ExitStatus::kDone;
    task_.write_result(context_, *model_.trainable, values);
    write_card();
    std::printf("%s\n", directory_.path().c_str());
    return ExitStatus::kDone;
  }

 private:
  int64_t first_step() const { return directory_.resumed() ? directory_.resumed()->step : 0; }

  /// Refuses a run that is already longer than it should become.
  void require_steps_to_do() const {
    if (first_step() <= length_.max_steps) return;
    throw Error(ExitStatus::kUsage,
                str("--resume_from_checkpoint ", quoted(directory_.resumed()->path.string()),
                    " has done ", first_step(), " steps and this run ends at ", length_.max_steps,
                    ": give a greater --max_train_steps (or --num_train_epochs), or an earlier "
                    "checkpoint"));
  }

  void load_model() {
    std::optional<fs::path> checkpoint;
    if (directory_.resumed()) checkpoint = directory_.resumed()->path;
    model_ = task_.load(context_, data_, checkpoint);
    log::info(str("training ", count_elements(model_.trainable->parameter_groups()),
                  " parameters on ", counted(data_.size(), "picture"), ": steps ", first_step() + 1,
                  " to ", length_.max_steps, ", ", length_.steps_per_epoch, " an epoch"));
  }

  void build_trainer() {
    objective_ = std::make_unique<Objective>(noise_schedule(context_),
                                             objective_options(config_, context_.seed));
    build_exchange();
    optimizer_ =
        make_optimizer(optimizer_name(config_),
                       shards_ ? shards_->owned_groups() : model_.trainable->parameter_groups(),
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

  /// Connects the ranks to one trainer; nothing to do for a single one.
  void build_exchange() {
    if (ranks_.is_single()) return;
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
      shards_->free_unowned_weights();
    }
    exchange_ = std::make_unique<RankedStep>(ranks_, flatten(groups), shards_.get());
  }

  void build_validation() {
    validation_ = std::make_unique<RunValidation>(
        ValidatedRun{context_, data_, task_.trains_text_encoders(), model_.unet, *model_.trainable,
                     *objective_, *optimizer_, ema_.get(), shards_.get()});
  }

  void run_steps() {
    TrackerOptions tracker;
    tracker.output_dir = directory_.path();
    tracker.logging_dir = config_.logging_dir;
    tracker.run_name = task_.run_name();
    tracker.config = record_.json();
    tracker.resume_step = first_step();
    log_ = ranks_.is_first() ? std::make_unique<RunLog>(
                                   directory_.path(), make_trackers(config_.report_to, tracker),
                                   first_step(), length_.max_steps, length_.steps_per_epoch)
                             : std::make_unique<RunLog>();
    if (config_.debug_loss) log_->log_samples();
    RunHooks hooks(run_schedule(config_, length_), actions(), *log_, first_step());
    const fs::path best = directory_.path() / kBestCheckpointFile;
    if (config_.keep_best_checkpoint && first_step() > 0 && fs::exists(best)) {
      const Json kept = read_json(best);
      hooks.set_best(json_value(kept, "validation_loss", std::numeric_limits<double>::infinity(),
                                best.string()));
      directory_.checkpoints().protect(json_value(kept, "step", int64_t{-1}, best.string()));
    }
    try {
      validation_->catch_up(hooks, first_step());
      trainer_->run(hooks);
    } catch (...) {
      log_->finish(1);
      throw;
    }
    if (validation_->draws()) validation_->draw("test", length_.max_steps, *log_);
    log_->finish(0);
  }

  RunActions actions() {
    RunActions actions;
    actions.save = [this](int64_t step) {
      state_->save(directory_.checkpoints(), step, record_.json());
    };
    if (validation_->draws()) {
      actions.draw = [this](int64_t step) { validation_->draw("validation", step, *log_); };
    }
    if (validation_->measures()) {
      actions.validation_loss = [this](int64_t) { return validation_->measure(); };
    }
    actions.keep_as_best = [this](int64_t step, double loss) {
      directory_.checkpoints().protect(step);
      if (!ranks_.is_first()) return;
      write_json(directory_.path() / kBestCheckpointFile,
                 {{"step", step}, {"validation_loss", loss}});
      directory_.checkpoints().prune(step);  // the former best
    };
    return actions;
  }

  /// Every row that --on_bad_image skip left out; no file if there are none.
  void list_what_is_left_out() const {
    const fs::path list = directory_.path() / kLeftOutFile;
    fs::remove(list);
    if (data_.report().left_out.empty()) return;
    write_left_out(data_.report(), list);
    log::info("the rows that are left out are listed in " + quoted(list.string()));
  }

  void write_card() const {
    ModelCard card = task_.model_card();
    card.command = command_line(card.command, option_set_, context_.seed);
    card.samples = data_.size();
    card.steps = length_.max_steps;
    write_model_card(context_, card, config_.validation_prompt);
  }

  std::vector<at::Tensor> result_values() const {
    return ema_ ? state_->averages() : state_->values();
  }

  const TrainConfig& config_;
  TrainingTask& task_;
  Ranks& ranks_;
  at::Device device_;
  PipelineDirectory pipeline_;
  RunDirectory directory_;
  TrainingContext context_;
  const OptionSet& option_set_;
  TrainingData data_;
  RunRecord record_;
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
  std::unique_ptr<RunValidation> validation_;
  std::unique_ptr<RunLog> log_;
};

}  // namespace

ExitStatus run_training(const TrainConfig& config, const OptionSet& options, TrainingTask& task) {
  const Launch launch = read_launch(config.local_rank);
  Ranks& ranks = join_ranks(
      launch, {std::chrono::milliseconds(static_cast<int64_t>(config.ddp_timeout * 1000.0))});
  return run_on_ranks(ranks, [&] {
    set_thread_count(threads_of_rank(config.num_threads, launch));
    require_equal_options(ranks, options.shared_json());
    const ResolvedInputs inputs =
        first_rank_first(ranks, [&] { return resolve_inputs(config, config.dry_run); });
    TrainingRun run(config, inputs, options, task, ranks, device_index(launch));
    return config.dry_run ? run.summarise() : run.train();
  });
}

}  // namespace sdxl
