#include "commands/infer/weight_sets.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/files/files.h"
#include "base/text.h"
#include "io/model_files.h"
#include "io/pretrained.h"
#include "lora/lora_file.h"
#include "pretrained/fingerprint.h"
#include "training/run/run_files.h"

namespace sdxl {
namespace {

/// Adds the UNet or LoRA weights in `directory` to a copy of `common`; false if it has neither.
bool fill_from(const fs::path& directory, bool use_ema, const WeightSet& common, WeightSet* set) {
  *set = common;
  const fs::path unet = directory / str(kUNetFolder, use_ema ? kEmaSuffix : "");
  if (fs::is_directory(unet)) {
    set->unet = unet;
    return true;
  }
  const fs::path lora = use_ema ? directory / kLoraEmaWeights : lora_weights_in(directory);
  if (lora.empty() || !fs::is_regular_file(lora)) return false;
  set->loras.emplace_back(lora, 1.0);
  return true;
}

/// The checkpoints of one run and its final weights; labels begin with `prefix`.
std::vector<WeightSet> sets_of_run(const fs::path& root, const std::string& prefix, bool use_ema,
                                   const WeightSet& common) {
  if (!fs::is_directory(root)) {
    throw Error(ExitStatus::kBadData, str("--checkpoints ", quoted(root.string()),
                                          " is not a directory; give a run's --output_dir"));
  }
  std::vector<std::pair<int64_t, fs::path>> found;
  for (const auto& entry : fs::directory_iterator(root)) {
    const std::optional<int64_t> step = checkpoint_step(entry.path().filename().string());
    if (step && entry.is_directory()) found.emplace_back(*step, entry.path());
  }
  std::sort(found.begin(), found.end());

  std::vector<WeightSet> sets;
  WeightSet set;
  for (const auto& [step, path] : found) {
    if (!fill_from(path, use_ema, common, &set)) {
      set.problem = Error(ExitStatus::kBadData,
                          str(path.string(), " holds neither ", use_ema ? "unet_ema/" : "unet/",
                              " nor ", use_ema ? kLoraEmaWeights : kLoraWeights,
                              use_ema ? ": leave out --use_ema where the run had none"
                                      : ": remove it, or see whether its save was cut short"));
    }
    set.label = prefix + path.filename().string();
    sets.push_back(set);
  }
  if (fill_from(root, false, common, &set)) {
    set.label = prefix + "final";
    sets.push_back(set);
  }
  if (sets.empty()) {
    throw Error(ExitStatus::kBadData, str("--checkpoints ", quoted(root.string()),
                                          " holds neither checkpoint-N nor final weights"));
  }
  return sets;
}

/// The last component of a run's path, which names its rows and folders.
std::string run_name(const fs::path& root) {
  const fs::path path = fs::absolute(root).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

std::vector<WeightSet> find_sets(const InferConfig& config, const ResolvedInputs& inputs) {
  WeightSet common;
  common.unet = inputs.unet;
  for (size_t i = 0; i < inputs.loras.size(); ++i) {
    common.loras.emplace_back(inputs.loras[i],
                              i < config.lora_scale.size() ? config.lora_scale[i] : 1.0);
  }
  if (config.checkpoints.empty()) return {common};

  std::vector<WeightSet> sets;
  if (config.include_base) {
    sets.push_back(common);
    sets.back().label = "base";
  }
  std::set<std::string> names;
  for (const std::string& root : config.checkpoints) {
    const std::string name = run_name(root);
    if (!names.insert(name).second) {
      throw Error(ExitStatus::kUsage,
                  str("--checkpoints ", quoted(root), ": another directory is called ",
                      quoted(name), " too, so their pictures would share a folder; rename one"));
    }
    const std::string prefix = config.checkpoints.size() > 1 ? name + "/" : "";
    for (WeightSet& set : sets_of_run(root, prefix, config.use_ema, common)) {
      sets.push_back(std::move(set));
    }
  }
  return sets;
}

std::string fingerprint(const WeightSet& set, const fs::path& pipeline_unet) {
  const fs::path unet = set.unet.empty() ? pipeline_unet : set.unet;
  if (!fs::is_directory(unet)) {
    throw Error(ExitStatus::kBadData,
                str("there is no UNet in ", quoted(unet.string()),
                    ": give --unet or --checkpoints a directory in diffusers' layout, or a model "
                    "that has its unet/ folder"));
  }
  read_component_config(unet, "UNet2DConditionModel");
  std::string result = weights_fingerprint(unet, kDiffusersStem);
  for (const auto& [path, scale] : set.loras) {
    for (const fs::path& file : find_lora_files(path))
      result += "+" + weights_fingerprint(file, "");
  }
  return result;
}

}  // namespace

std::vector<WeightSet> find_weight_sets(const InferConfig& config, const ResolvedInputs& inputs) {
  std::vector<WeightSet> sets = find_sets(config, inputs);
  bool any = false;
  for (WeightSet& set : sets) {
    try {
      if (!set.problem) set.fingerprint = fingerprint(set, inputs.model / kUNetFolder);
    } catch (const Error& error) {
      if (config.checkpoints.empty()) throw;
      set.problem = error;
    }
    any |= !set.problem;
  }
  if (!any) throw *sets.front().problem;
  return sets;
}

}  // namespace sdxl
