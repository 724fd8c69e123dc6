// Drawing of planned pictures: prompts are encoded once, weights loaded once a set.
#include "commands/infer_run.h"

#include <algorithm>
#include <chrono>
#include <tuple>

#include "base/error.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "io/safetensors.h"

namespace sdxl {
namespace {

/// Whether an error concerns one batch of pictures only.
bool concerns_one_item(const Error& error) {
  return error.status() == ExitStatus::kBadData || error.status() == ExitStatus::kBadNumbers ||
         error.status() == ExitStatus::kUsage;
}

/// The part's own directory where an option gives one, else its folder in the pipeline.
fs::path part_directory(const std::optional<std::string>& own, const fs::path& in_pipeline) {
  return own ? fs::path(*own) : in_pipeline;
}

}  // namespace

InferRun::InferRun(const InferConfig& config, at::Device device)
    : config_(config),
      device_(device),
      dtype_(compute_dtype(config.mixed_precision)),
      pipeline_(config.pretrained_model_name_or_path, config.variant.value_or("")),
      sets_(find_weight_sets(config, pipeline_.root() / "unet")) {
  // A pipeline may lack a UNet of its own where every set brings one.
  const fs::path unet = unet_directory(sets_.front());
  const fs::path vae = vae_directory();
  unet_config_ = UNet2DConditionConfig::from_json(
      read_component_config(unet, "UNet2DConditionModel"), (unet / "config.json").string());
  vae_config_ = AutoencoderKLConfig::from_json(read_component_config(vae, "AutoencoderKL"),
                                               (vae / "config.json").string());
  planned_scheduler(
      config.num_inference_steps);  // refuses what can't work before anything is loaded
}

fs::path InferRun::unet_directory(const WeightSet& set) const {
  return set.unet.empty() ? pipeline_.root() / "unet" : set.unet;
}

fs::path InferRun::vae_directory() const {
  return part_directory(config_.pretrained_vae_model_name_or_path, pipeline_.root() / "vae");
}

std::unique_ptr<Scheduler> InferRun::planned_scheduler(int64_t steps) const {
  Json overrides = Json::object();
  if (config_.rescale_betas_zero_snr) overrides["rescale_betas_zero_snr"] = true;
  auto scheduler = make_scheduler(config_.scheduler.value_or(""), pipeline_.scheduler_config(),
                                  overrides, pipeline_.scheduler_config_source());
  if (!config_.timesteps.empty()) {
    scheduler->set_custom_timesteps({config_.timesteps.begin(), config_.timesteps.end()});
  } else if (!config_.sigmas.empty()) {
    scheduler->set_custom_sigmas(config_.sigmas);
  } else {
    scheduler->set_timesteps(steps);
  }
  return scheduler;
}

void InferRun::read_loras() {
  LayerNames names;
  names.add_unet(UNet2DConditionModel(unet_config_));
  names.add_text_encoder("text_encoder", *pipeline_.empty_text_encoder(1));
  names.add_text_encoder("text_encoder_2", *pipeline_.empty_text_encoder(2));
  for (const WeightSet& set : sets_) {
    for (const auto& [path, scale] : set.loras) {
      if (loras_.count(path) != 0) continue;
      const LoraWeights& lora = loras_[path] = read_lora(path, names);
      if (!config_.lora_allow_unmatched) require_all_matched(lora);
      encoders_adapted_ |= lora.adapts("text_encoder") || lora.adapts("text_encoder_2");
    }
  }
}

void InferRun::load_encoders() {
  tokenizer_ = pipeline_.tokenizer(1);
  tokenizer_2_ = pipeline_.tokenizer(2);
  text_encoder_ = pipeline_.text_encoder(1, {device_, dtype_});
  text_encoder_2_ = pipeline_.text_encoder(2, {device_, dtype_});
}

std::vector<std::pair<const LoraWeights*, double>> InferRun::loras_of(const WeightSet& set,
                                                                      double factor) const {
  std::vector<std::pair<const LoraWeights*, double>> result;
  for (const auto& [path, scale] : set.loras) result.emplace_back(&loras_.at(path), scale * factor);
  return result;
}

void InferRun::load_set(const WeightSet& set, double factor) {
  const fs::path directory = unet_directory(set);
  if (merger_) merger_->restore();
  if (!unet_) {
    unet_ = load_unet(directory, variant(), {device_, dtype_});
  } else if (directory != loaded_unet_) {
    const Json json = read_component_config(directory, "UNet2DConditionModel");
    UNet2DConditionConfig::from_json(json, (directory / "config.json").string());
    unet_->load(Weights::open(directory, "diffusion_pytorch_model", variant()), {device_, dtype_});
  }
  loaded_unet_ = directory;

  encoder_state_.clear();
  if (loras_.empty()) return;
  if (!merger_) {
    std::map<std::string, Module*> components = {{"unet", unet_.get()}};
    if (encoders_adapted_) {
      components["text_encoder"] = text_encoder_.get();
      components["text_encoder_2"] = text_encoder_2_.get();
    }
    merger_ = std::make_unique<LoraMerger>(components);
  }
  merger_->merge(loras_of(set, factor));
  for (const auto& [path, scale] : set.loras) {
    if (encoders_adapted_) encoder_state_ += str(path.string(), '*', scale * factor, '\n');
  }
}

const PromptConditioning& InferRun::conditioning(const PictureJob& job) {
  auto [entry, is_new] = conditionings_.try_emplace({encoder_state_, job.texts});
  if (is_new) {
    const PromptEncoder encoder(tokenizer_, tokenizer_2_, text_encoder_, text_encoder_2_);
    entry->second = encode_prompt(encoder, job.texts, pipeline_.force_zeros_for_empty_prompt());
  }
  return entry->second;
}

Json InferRun::picture_parameters(const PictureJob& job, const WeightSet& set) const {
  Json json = job.parameters();
  json["model"] = config_.pretrained_model_name_or_path;
  if (config_.pretrained_vae_model_name_or_path) {
    json["vae"] = *config_.pretrained_vae_model_name_or_path;
  }
  if (!set.unet.empty()) json["unet"] = set.unet.string();
  json["weights"] = set.fingerprint;
  for (const auto& [path, scale] : set.loras) {
    json["loras"].push_back({{"path", path.string()}, {"scale", scale}});
  }
  json["scheduler"] = config_.scheduler.value_or("the model's own");
  if (!config_.timesteps.empty()) json["timesteps"] = config_.timesteps;
  if (!config_.sigmas.empty()) json["sigmas"] = config_.sigmas;
  json["mixed_precision"] = config_.mixed_precision;
  return json;
}

std::vector<std::vector<const PictureJob*>> InferRun::batches(
    const std::vector<const PictureJob*>& jobs) const {
  std::map<std::tuple<int64_t, int64_t, int64_t, bool, std::optional<double>>,
           std::vector<const PictureJob*>>
      alike;
  for (const PictureJob* job : jobs) {
    alike[{job->height, job->width, job->num_inference_steps, job->guided(), job->lora_scale}]
        .push_back(job);
  }
  std::vector<std::vector<const PictureJob*>> result;
  for (const auto& [key, group] : alike) {
    int64_t pictures = 0;
    for (const PictureJob* job : group) {
      if (result.empty() || pictures == 0 || pictures + job->count > config_.batch_size) {
        result.emplace_back();
        pictures = 0;
      }
      result.back().push_back(job);
      pictures += job->count;
    }
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) {
    return a.front()->first_index < b.front()->first_index;
  });
  return result;
}

void InferRun::draw_batch(const std::vector<const PictureJob*>& jobs, const Sink& sink) {
  std::vector<DrawRequest> requests;
  for (const PictureJob* job : jobs) {
    requests.push_back({conditioning(*job), job->seed, job->count, job->height, job->width,
                        job->time_ids, job->guidance_scale, job->guidance_rescale});
  }
  DenoiseOptions options{device_, dtype_, latent_scale(), config_.batch_size, {}};
  options.on_step = [&](int64_t, int64_t) {
    if (progress_) progress_->advance();
    throw_if_stop_requested("drawing");
  };
  auto plan = [&] { return planned_scheduler(jobs.front()->num_inference_steps); };
  const std::vector<at::Tensor> latents = denoise(*unet_, plan, requests, options);
  for (size_t i = 0; i < jobs.size(); ++i) {
    int64_t number = 0;
    for (const at::Tensor& part : latents[i].split(config_.batch_size)) {
      std::vector<Image> images(part.size(0));
      if (config_.output_type != "latent") {
        images = decode_latents(*vae_, part, {config_.vae_tiling, config_.vae_slicing});
      }
      for (int64_t n = 0; n < part.size(0); ++n) {
        sink(*jobs[i], number++, part.slice(0, n, n + 1), images[n]);
      }
    }
  }
}

std::string InferRun::file_of(const PictureJob& job, int64_t number, const WeightSet& set) const {
  fs::path name = fs::path(set.folder()) / job.file_name(number);
  if (config_.output_type == "latent") name.replace_extension(".safetensors");
  return name.string();
}

void InferRun::draw_and_store(const std::vector<const PictureJob*>& batch, const WeightSet& set,
                              PictureStore& store) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<PictureReport> drawn;
  auto sink = [&](const PictureJob& job, int64_t number, const at::Tensor& latents,
                  const Image& image) {
    const std::string file = file_of(job, number, set);
    const Json parameters = picture_parameters(job, set);
    if (config_.output_type == "latent") {
      store.put(file, parameters, [&](const fs::path& path) {
        write_safetensors(path, {{"latents", latents}});
      });
    } else {
      store.put(file, image, parameters);
    }
    drawn.push_back({store.path(file).string()});
  };
  try {
    draw_batch(batch, sink);
  } catch (const Error& error) {
    if (!concerns_one_item(error)) throw;
    errors_.push_back(str(file_of(*batch.front(), 0, set), ": ", error.what()));
    log::warning(errors_.back());
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  for (PictureReport& report : drawn) {
    report.seconds = taken.count() / static_cast<double>(drawn.size());
    report.steps_per_second =
        static_cast<double>(batch.front()->num_inference_steps) / std::max(report.seconds, 1e-9);
    reports_.push_back(std::move(report));
  }
}

void InferRun::draw_set(const PicturePlan& plan, const WeightSet& set, PictureStore& store) {
  std::vector<const PictureJob*> wanted;
  for (const PictureJob& job : plan.jobs) {
    const Json parameters = picture_parameters(job, set);
    bool all_there = true;
    for (int64_t n = 0; n < job.count; ++n)
      all_there &= store.has(file_of(job, n, set), parameters);
    if (!all_there) wanted.push_back(&job);
    for (int64_t n = 0; all_there && n < job.count; ++n) {
      reports_.push_back({store.path(file_of(job, n, set)).string(), 0, 0, true});
    }
  }
  std::optional<double> factor;
  for (const std::vector<const PictureJob*>& batch : batches(wanted)) {
    const double own = batch.front()->lora_scale.value_or(1.0);
    if (factor != own) load_set(set, own);
    factor = own;
    draw_and_store(batch, set, store);
  }
}

void InferRun::draw(const PicturePlan& plan, PictureStore& store) {
  // 1. Prompts. Unless a LoRA changes them, the encoders go before the UNet comes.
  read_loras();
  load_encoders();
  if (!encoders_adapted_) {
    for (const PictureJob& job : plan.jobs) {
      throw_if_stop_requested("encoding prompts");
      conditioning(job);
    }
    text_encoder_.reset();
    text_encoder_2_.reset();
  }

  // 2. The VAE stays; the UNet's weights are swapped in place.
  if (config_.output_type != "latent") {
    vae_ = load_vae(vae_directory(), variant(), {device_, dtype_}, /*with_encoder=*/false,
                    /*with_decoder=*/true);
  }
  uint64_t steps = 0;
  for (const PictureJob& job : plan.jobs) steps += job.num_inference_steps;
  progress_ = std::make_unique<Progress>("Drawing", steps * sets_.size(), "step");
  for (const WeightSet& set : sets_) draw_set(plan, set, store);
  progress_.reset();
}

}  // namespace sdxl
