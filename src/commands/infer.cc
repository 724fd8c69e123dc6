// sdxl infer: draws one prompt or many, with one set of weights or every checkpoint in a directory.
#include <cstdio>

#include "base/atomic_files.h"
#include "base/log.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/infer/contact_sheet.h"
#include "commands/infer/run.h"
#include "commands/inputs/repositories.h"
#include "config/infer_config.h"
#include "config/memory_advice.h"
#include "config/validation.h"
#include "device/back_end.h"
#include "device/device.h"
#include "distributed/process_ranks.h"

namespace sdxl {
namespace {

constexpr int64_t kLargestCell = 512;  // pixels a side of a picture in grid.png

/// A picture for a cell of grid.png; empty where there is none.
Image cell_picture(const fs::path& file) {
  if (!fs::exists(file)) return {};
  Image image = read_image(file);
  if (std::min(image.height, image.width) <= kLargestCell) return image;
  return resize_shorter_side(image, kLargestCell, ResizeFilter::kLanczos);
}

/// How many pictures of each set grid.png has room for.
int64_t grid_columns(const PicturePlan& plan, const InferRun& run) {
  int64_t height = 1, width = 1;
  for (const PictureJob& job : plan.jobs) {
    const int64_t divisor = std::max<int64_t>(1, std::min(job.height, job.width) / kLargestCell);
    height = std::max(height, job.height / divisor);
    width = std::max(width, job.width / divisor);
  }
  return sheet_columns(static_cast<int64_t>(run.sets().size()), height, width);
}

/// The labelled grid of what was drawn with several sets: prompts across, checkpoints down.
void write_contact_sheet(const InferConfig& config, const PicturePlan& plan, const InferRun& run,
                         const PictureStore& store) {
  ContactSheet sheet;
  std::vector<std::vector<PageCell>> cells;
  std::vector<std::string> labels;
  for (const PictureJob& job : plan.jobs) labels.insert(labels.end(), job.count, job.texts.prompt);
  const auto columns = static_cast<size_t>(grid_columns(plan, run));
  sheet.column_labels = {labels.begin(), labels.begin() + std::min(columns, labels.size())};
  if (columns < labels.size()) {
    log::warning(str("grid.png shows the first ", columns, " of ", labels.size(),
                     " pictures of each checkpoint, index.html all of them"));
  }
  for (const WeightSet& set : run.sets()) {
    sheet.row_labels.push_back(set.label);
    sheet.rows.emplace_back();
    cells.emplace_back();
    for (const PictureJob& job : plan.jobs) {
      for (int64_t n = 0; n < job.count; ++n) {
        const std::string file = set.folder() + "/" + job.file_name(n);
        const fs::path path = store.path(file);
        if (sheet.rows.back().size() < columns) sheet.rows.back().push_back(cell_picture(path));
        cells.back().push_back({fs::exists(path) ? file : "", run.picture_parameters(job, set)});
      }
    }
  }
  const fs::path directory = *config.output_dir;
  write_file_atomically(directory / "grid.png", encode_png(draw_contact_sheet(sheet)));
  write_file_atomically(directory / "index.html",
                        contact_sheet_page("Checkpoints of " + join(config.checkpoints, ", "),
                                           sheet.row_labels, labels, cells));
}

class InferCommand : public Command {
 public:
  std::string name() const override { return "infer"; }
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
    const InferConfig config = in_turn(ranks, [&] { return with_local_files(config_); });
    InferRun run(config, device, ranks);
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
      if (ranks.is_first()) PictureStore::gather_manifests(*config_.output_dir);
      ranks.meet();
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
