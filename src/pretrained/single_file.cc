#include "pretrained/single_file.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "io/model_files.h"
#include "io/pretrained.h"
#include "io/weight_scales.h"
#include "pretrained/single_file_parts.h"

namespace sdxl {
namespace {

/// Tensors beside the weights: noise schedules, buffers, training state, moving averages.
bool is_known(const std::string& name) {
  constexpr const char* kPrefixes[] = {
      "alphas_cumprod", "betas",     "sqrt_", "log_one_minus", "model_ema.",
      "posterior_",     "denoiser.", "loss.", "logvar",        "scale_factor"};
  for (const char* prefix : kPrefixes) {
    if (name.starts_with(prefix)) return true;
  }
  return name.ends_with(".position_ids") || name.ends_with(".logit_scale") ||
         name.ends_with(".attn_mask");
}

/// Refuses other models than SDXL's base, by tensors that only they have.
void refuse_other_models(const SafetensorsFile& file) {
  constexpr std::pair<const char*, const char*> kMarks[] = {
      {"cond_stage_model.", "a model of Stable Diffusion 1 or 2"},
      {"conditioner.embedders.0.model.", "the SDXL refiner"},
      {"model.diffusion_model.joint_blocks.", "a model of Stable Diffusion 3"},
      {"double_blocks.", "a Flux model"},
      {"model.diffusion_model.double_blocks.", "a Flux model"},
      {"edm_mean", "a Playground 2.5 model"},
      {"edm_vpred.", "a CosXL model"},
      {"control_model.", "a ControlNet"},
      {"lora_unet_", "a LoRA: give it to --lora"}};
  for (const SafetensorsEntry& entry : file.entries()) {
    for (const auto& [mark, model] : kMarks) {
      if (!entry.name.starts_with(mark)) continue;
      throw Error(ExitStatus::kBadData, str(quoted(file.path().string()), " is ", model,
                                            "; only SDXL's base model is supported"));
    }
  }
}

std::vector<std::string> first_of(const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  return {names.begin(),
          names.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, names.size()))};
}

void sort_left_over(const SafetensorsFile& file, SingleFileContents* contents) {
  std::set<std::string> used = {kVelocityMark, kZeroSnrMark};
  for (const auto& [folder, parts] : contents->parts) {
    for (const auto& [name, part] : parts) used.insert(part.name);
  }
  const WeightScales scales(file);
  for (const SafetensorsEntry& entry : file.entries()) {
    if (used.contains(entry.name) || scales.is_companion(entry.name)) continue;
    (is_known(entry.name) ? contents->known : contents->unknown).push_back(entry.name);
  }
}

/// Refuses tensors that stand beside a layer's weight and may change it.
void refuse_beside_weights(const SafetensorsFile& file, const SingleFileContents& contents) {
  for (const std::string& name : contents.unknown) {
    const std::string layer = name.substr(0, name.rfind('.'));
    if (!file.contains(layer + ".weight")) continue;
    throw bad_data(file.path().string(), quoted(name),
                   " stands beside a layer's weight and is not understood: convert the checkpoint "
                   "to plain fp16 or bf16 weights");
  }
}

void log_left_over(const fs::path& file, const SingleFileContents& contents) {
  if (!contents.known.empty()) {
    log::info(str(
        quoted(file.string()), ": ", contents.known.size(), " tables and buffers are not needed: ",
        escaped(join(first_of(contents.known), ", ")), contents.known.size() > 5 ? ", …" : ""));
  }
  if (contents.unknown.empty()) return;
  log::warning(str(quoted(file.string()), ": ", contents.unknown.size(),
                   " tensors belong to no part of the model and are ignored: ",
                   escaped(join(first_of(contents.unknown), ", ")),
                   contents.unknown.size() > 5 ? ", …" : ""));
}

/// Changes with the file and with the configs.
std::string view_key(const fs::path& file, const fs::path& configs) {
  Hasher hasher;
  const auto time = fs::last_write_time(file).time_since_epoch().count();
  hasher.update(str("2 ", fs::canonical(file).string(), ' ', fs::file_size(file), ' ', time, ' ',
                    fs::canonical(configs).string()));
  for (const char* part : {kUNetFolder, kVaeFolder, kTextEncoderFolder, kTextEncoder2Folder}) {
    const fs::path config = configs / part / kConfigFile;
    if (fs::exists(config)) hasher.update(read_file(config));
  }
  for (const fs::path& file :
       {configs / kModelIndexFile, configs / kSchedulerFolder / kSchedulerConfigFile}) {
    if (fs::exists(file)) hasher.update(read_file(file));
  }
  return hasher.hex().substr(0, 32);
}

void write_view(const fs::path& file, const fs::path& configs, const SingleFileContents& contents,
                const fs::path& to) {
  for (const PartKind& kind : single_file_parts()) {
    const auto found = contents.parts.find(kind.folder);
    if (found == contents.parts.end() || fs::exists(to / kind.folder)) continue;
    make_directories(to / kind.folder);
    write_file_atomically(to / kind.folder / kConfigFile,
                          read_file(configs / kind.folder / kConfigFile));
    write_tensor_view(to / kind.folder, kind.stem, file, found->second);
  }
  for (const char* folder : {kTokenizerFolder, kTokenizer2Folder}) {
    if (fs::is_directory(configs / folder)) copy_files(configs / folder, to / folder);
  }
  const fs::path scheduler = configs / kSchedulerFolder / kSchedulerConfigFile;
  if (fs::exists(scheduler)) {
    Json config = read_json(scheduler);
    if (contents.v_prediction) config["prediction_type"] = "v_prediction";
    if (contents.zero_terminal_snr) config["rescale_betas_zero_snr"] = true;
    make_directories(to / kSchedulerFolder);
    write_json(to / kSchedulerFolder / kSchedulerConfigFile, config);
  }
  if (fs::exists(configs / kModelIndexFile)) {
    write_file_atomically(to / kModelIndexFile, read_file(configs / kModelIndexFile));
  }
}

}  // namespace

SingleFileContents read_single_file(const SafetensorsFile& file, const fs::path& configs) {
  refuse_other_models(file);
  SingleFileContents contents;
  for (const PartKind& kind : single_file_parts()) {
    for (const std::string& prefix : kind.prefixes) {
      if (contents.parts.contains(kind.folder)) break;
      if (!file.contains(prefix + kind.mark)) continue;
      TensorParts parts = kind.places(*kind.empty(configs / kind.folder), prefix);
      Weights::open_parts(file.path(), parts);  // refuses what does not fit
      contents.parts[kind.folder] = std::move(parts);
    }
  }
  if (contents.parts.empty()) {
    throw Error(ExitStatus::kBadData,
                str(quoted(file.path().string()),
                    " has no part of an SDXL model under a known name: give a checkpoint in the "
                    "original naming, or a directory in diffusers' layout"));
  }
  sort_left_over(file, &contents);
  contents.v_prediction = file.contains(kVelocityMark);
  contents.zero_terminal_snr = file.contains(kZeroSnrMark);
  return contents;
}

fs::path single_file_pipeline(const fs::path& file, const fs::path& configs) {
  const fs::path view = single_file_views() / view_key(file, configs);
  if (fs::is_directory(view)) return view;
  const SafetensorsFile tensors(file);
  const SingleFileContents contents = read_single_file(tensors, configs);
  refuse_beside_weights(tensors, contents);
  log_left_over(file, contents);
  make_directories(view.parent_path());
  AtomicDirectory directory(view);
  write_view(file, configs, contents, directory.working_path());
  directory.commit(/*replace=*/true);
  return view;
}

}  // namespace sdxl
