// sdxl infer: draws one prompt or many, with one set of weights or every checkpoint in a directory.
#include <cstdio>

#include "base/files/atomic_files.h"
#include "base/log.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/infer/contact_sheet.h"
#include "commands/infer/run.h"
#include "commands/inputs/resolved_inputs.h"
#include "config/infer_config.h"
#include "config/memory_advice.h"
#include "config/validation.h"
#include "device/device.h"
#include "distributed/process_ranks.h"
#include "io/images/decode.h"
#include "io/images/png.h"
#include "io/images/resize.h"

namespace sdxl {
namespace {

class InferCommand : public Command {
 public:
  std::string summary() const override {
    return "generate images with a model, a fine-tuned UNet, LoRAs or the checkpoints of a run";
  }
  OptionSet& options() override { return options_; }
  void validate() override { validate_infer_config(config_); }

  ExitStatus run() override {
    const Launch launch = read_launch(/*local_rank=*/-1);
    Ranks& ranks = join_ranks(launch, {});
    return run_on_ranks(ranks, [&] { return draw(ranks, launch); });
  }
  std::string memory_advice() const override { return sdxl::memory_advice(config_); }

 private:
  ExitStatus draw(Ranks& ranks, const Launch& launch) {
    require_equal_options(ranks, options_.shared_json());
    set_thread_count(threads_of_rank(config_.num_threads, launch));
    const uint64_t seed = config_.seed ? *config_.seed : draw_seed(ranks);
    ComputeOptions options;
    options.index = device_index(launch);
    const at::Device device = select_device(config_.device, options);
    const ResolvedInputs inputs = first_rank_first(ranks, [&] { return resolve_inputs(config_); });
    InferRun run(config_, inputs, device, ranks);
    const PicturePlan plan = plan_pictures(config_, seed, run.default_side(), run.latent_scale());
    const std::vector<WeightSet>& sets = run.sets();
    for (const Error& error : plan.errors) run.report().fail(error);
    if (config_.dry_run) return ranks.is_first() ? summarise(plan, run) : ExitStatus::kDone;

    PictureStore store = open_store(plan, sets, ranks);
    run.draw(plan, store);
    run.report().merge(ranks);
    if (!ranks.is_first()) return ExitStatus::kDone;
    if (config_.output_dir) PictureStore::gather_manifests(*config_.output_dir);
    if (!config_.checkpoints.empty() && config_.output_type != "latent") {
      write_contact_sheet(config_, plan, run, store);
    }
    run.report().print(config_.json);
    run.report().throw_if_failed();
    return ExitStatus::kDone;
  }

  PictureStore open_store(const PicturePlan& plan, const std::vector<WeightSet>& sets,
                          Ranks& ranks) const {
    if (config_.output_dir) {
      if (ranks.is_first()) {
        PictureStore::gather_manifests(*config_.output_dir);
        if (!config_.checkpoints.empty() && !config_.overwrite) {
          refuse_foreign_sheet(*config_.output_dir);
        }
      }
      ranks.barrier();
      return PictureStore(*config_.output_dir, config_.overwrite, ranks.rank());
    }
    if (plan.jobs.size() * sets.size() != 1 || plan.jobs.front().count != 1) {
      throw Error(ExitStatus::kUsage,
                  str("--output names one file and this run draws several pictures: "
                      "give --output_dir"));
    }
    return PictureStore::single(*config_.output, config_.overwrite);
  }

  static ExitStatus summarise(const PicturePlan& plan, InferRun& run) {
    for (const WeightSet& set : run.sets()) {
      for (const PictureJob& job : plan.jobs) {
        Json line = job.parameters();
        if (!set.label.empty()) line["weights"] = set.label;
        std::printf("%s\n", one_line(line).c_str());
      }
    }
    run.report().throw_if_failed();
    return ExitStatus::kDone;
  }

  InferConfig config_;
  OptionSet options_{infer_table(config_)};
};

}  // namespace

std::unique_ptr<Command> make_infer_command() { return std::make_unique<InferCommand>(); }

}  // namespace sdxl
