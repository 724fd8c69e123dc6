#include "commands/infer/run.h"

#include <algorithm>
#include <chrono>
#include <tuple>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/utf8.h"
#include "config/memory_advice.h"
#include "data/captions.h"
#include "device/device.h"
#include "io/model_files.h"
#include "io/safetensors.h"
#include "schedulers/registry.h"

namespace sdxl {
namespace {

/// Whether the other batches and weight sets can still be drawn.
bool concerns_one_item(ExitStatus status) {
  return status == ExitStatus::kBadData || status == ExitStatus::kBadNumbers ||
         status == ExitStatus::kUsage;
}

/// A path as valid UTF-8.
std::string path_text(const fs::path& path) {
  return is_utf8(path.string()) ? path.string() : escaped(path.string());
}

/// The name of a weight set in errors.
std::string set_name(const WeightSet& set) { return set.label.empty() ? "the model" : set.label; }

}  // namespace

InferRun::InferRun(const InferConfig& config, const ResolvedInputs& inputs, at::Device device,
                   Ranks& ranks)
    : config_(config),
      inputs_(inputs),
      ranks_(ranks),
      placement_{device, compute_dtype(config.mixed_precision)},
      pipeline_(inputs.model, config.variant.value_or("")),
      sets_(find_weight_sets(config, inputs)) {
  for (const WeightSet& set : sets_) {
    if (set.problem) report_.fail(*set.problem);
  }
  std::erase_if(sets_, [](const WeightSet& set) { return set.problem.has_value(); });
  // The pipeline may lack a UNet if every set has one.
  const fs::path own = pipeline_.root() / kUNetFolder;
  const fs::path unet = sets_.front().unet.empty() ? own : sets_.front().unet;
  unet_config_ = read_unet_config(unet);
  vae_config_ = read_vae_config(inputs_.vae);
  if (unet_config_.in_channels != vae_config_.latent_channels) {
    throw Error(ExitStatus::kBadData,
                str(quoted(unet.string()), " takes ", unet_config_.in_channels,
                    " channels and the VAE's latents have ", vae_config_.latent_channels,
                    ": it is for inpainting or of another model; only text to image is supported"));
  }
  // Refuses options that the scheduler does not support before anything is loaded.
  planned_scheduler(config.num_inference_steps);

  loras_ = std::make_unique<LoraLibrary>(layer_names(pipeline_, unet_config_),
                                         config.lora_allow_unmatched);
  prompts_ = std::make_unique<EncodedPrompts>(pipeline_, placement_, *loras_);
  unet_ = std::make_unique<SwappableUNet>(own, variant(), for_inference(), *loras_);
}

Placement InferRun::for_inference() const {
  Placement placement = placement_;
  placement.for_inference = true;
  return placement;
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

Json InferRun::picture_parameters(const PictureJob& job, const WeightSet& set) const {
  Json json = job.parameters();
  json["model"] = path_text(inputs_.model);
  if (config_.pretrained_vae_model_name_or_path) {
    json["vae"] = path_text(inputs_.vae);
  }
  if (!set.unet.empty()) json["unet"] = path_text(set.unet);
  json["weights"] = set.fingerprint;
  for (const auto& [path, scale] : set.loras) {
    json["loras"].push_back({{"path", path_text(path)}, {"scale", scale}});
  }
  json["scheduler"] = config_.scheduler.value_or("the model's own");
  if (!config_.timesteps.empty()) json["timesteps"] = config_.timesteps;
  if (!config_.sigmas.empty()) json["sigmas"] = config_.sigmas;
  if (config_.rescale_betas_zero_snr) json["rescale_betas_zero_snr"] = true;
  if (config_.vae_tiling) json["vae_tiling"] = true;
  json["mixed_precision"] = config_.mixed_precision;
  return json;
}

std::string InferRun::file_of(const PictureJob& job, int64_t number, const WeightSet& set) const {
  fs::path name = fs::path(set.folder()) / job.file_name(number);
  if (config_.output_type == "latent") name.replace_extension(kSafetensorsSuffix);
  return name.string();
}

bool InferRun::attempt(const std::string& what, const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const Error& error) {
    if (!concerns_one_item(error.status())) throw;
    report_.fail(what, error);
  } catch (const c10::Error& error) {
    if (!is_out_of_memory(error)) throw;
    report_.fail(what,
                 Error(ExitStatus::kOutOfMemory, "out of memory: try " + memory_advice(config_)));
  }
  return false;
}

std::vector<InferRun::Work> InferRun::find_work(const PicturePlan& plan,
                                                const PictureStore& store) {
  std::vector<Work> work;
  for (const WeightSet& set : sets_) {
    Work own{&set, {}};
    for (const PictureJob& job : plan.jobs) {
      const Json parameters = picture_parameters(job, set);
      bool all_there = true;
      for (int64_t n = 0; n < job.count; ++n) {
        all_there &= store.has(file_of(job, n, set), parameters);
      }
      if (!all_there) own.jobs.push_back(&job);
      for (int64_t n = 0; all_there && ranks_.is_first() && n < job.count; ++n) {
        report_.add({.file = store.path(file_of(job, n, set)).string(), .kept = true});
      }
    }
    if (!own.jobs.empty()) work.push_back(std::move(own));
  }
  return work;
}

void InferRun::take_share(std::vector<Work>* work) const {
  const auto ranks = static_cast<size_t>(ranks_.size()), rank = static_cast<size_t>(ranks_.rank());
  const auto share_of = [&](size_t count) {
    return std::pair(rank * count / ranks, (rank + 1) * count / ranks);
  };
  if (work->size() >= ranks) {
    const auto [begin, end] = share_of(work->size());
    *work = std::vector<Work>(work->begin() + begin, work->begin() + end);
    return;
  }
  // A contiguous part of the batches, which batches() forms again from its jobs.
  for (Work& own : *work) {
    const std::vector<Batch> all = batches(own.jobs);
    const auto [begin, end] = share_of(all.size());
    own.jobs.clear();
    for (size_t i = begin; i < end; ++i) {
      own.jobs.insert(own.jobs.end(), all[i].begin(), all[i].end());
    }
  }
  std::erase_if(*work, [](const Work& own) { return own.jobs.empty(); });
}

void InferRun::read_loras(std::vector<Work>* work) {
  std::erase_if(*work, [this](const Work& own) {
    return !attempt(set_name(*own.set), [&] { loras_->read(*own.set); });
  });
}

void InferRun::encode_prompts(std::vector<Work>* work) {
  for (Work& own : *work) {
    std::erase_if(own.jobs, [&](const PictureJob* job) {
      throw_if_stop_requested("encoding prompts");
      return !attempt(file_of(*job, 0, *own.set), [&] { prompts_->encode(*job, *own.set); });
    });
  }
  prompts_->close();
  release_freed_memory();
}

std::vector<InferRun::Batch> InferRun::batches(const std::vector<const PictureJob*>& jobs) const {
  std::map<std::tuple<double, int64_t, int64_t, int64_t, bool>, std::vector<const PictureJob*>>
      alike;
  for (const PictureJob* job : jobs) {
    alike[{job->lora_scale.value_or(1.0), job->height, job->width, job->num_inference_steps,
           job->guided()}]
        .push_back(job);
  }
  std::vector<Batch> result;
  for (const auto& [key, group] : alike) {
    int64_t pictures = 0;
    for (const PictureJob* job : group) {
      if (pictures == 0 || pictures + job->count > config_.batch_size) {
        result.emplace_back();
        pictures = 0;
      }
      result.back().push_back(job);
      pictures += job->count;
    }
  }
  std::stable_sort(result.begin(), result.end(), [](const Batch& a, const Batch& b) {
    const double left = a.front()->lora_scale.value_or(1.0);
    const double right = b.front()->lora_scale.value_or(1.0);
    if (left != right) return left < right;
    return a.front()->first_index < b.front()->first_index;
  });
  return result;
}

uint64_t InferRun::count_steps(const std::vector<Work>& work) const {
  uint64_t steps = 0;
  for (const Work& own : work) {
    for (const Batch& batch : batches(own.jobs)) {
      steps += planned_scheduler(batch.front()->num_inference_steps)->timesteps().size(0);
    }
  }
  return steps;
}

std::vector<at::Tensor> InferRun::denoise_batch(const Batch& batch, const WeightSet& set) {
  std::vector<DrawRequest> requests;
  for (const PictureJob* job : batch) {
    requests.push_back({prompts_->of(*job, set), job->seed, job->count, job->height, job->width,
                        job->time_ids, job->guidance_scale, job->guidance_rescale});
  }
  DenoiseOptions options{
      placement_.device, placement_.dtype, latent_scale(), config_.batch_size, {}, &replay_};
  options.on_step = [&](int64_t, int64_t) {
    progress_->advance();
    throw_if_stop_requested("drawing");
  };
  const auto plan = [&] { return planned_scheduler(batch.front()->num_inference_steps); };
  const double factor = batch.front()->lora_scale.value_or(1.0);
  return denoise(unet_->use(set, factor), plan, requests, options);
}

/// Where memory runs out, the UNet's calls are recorded no longer.
std::vector<Image> InferRun::decode(const at::Tensor& latents) {
  const DecodeOptions options{config_.vae_tiling, config_.vae_slicing};
  try {
    return decode_latents(*vae_, latents, options);
  } catch (const c10::OutOfMemoryError&) {
    if (!replay_.holds_memory()) throw;
  }
  replay_.disable();
  return decode_latents(*vae_, latents, options);
}

void InferRun::put_pictures(const PictureJob& job, const WeightSet& set, const at::Tensor& latents,
                            PictureStore& store) {
  const Json parameters = picture_parameters(job, set);
  int64_t number = 0;
  for (const at::Tensor& part : latents.split(config_.batch_size)) {
    std::vector<Image> images;
    if (vae_) images = decode(part);
    for (int64_t n = 0; n < part.size(0); ++n, ++number) {
      const std::string file = file_of(job, number, set);
      if (vae_) {
        store.put(file, images[n], parameters);
      } else {
        store.put(file, parameters, [&](const fs::path& path) {
          write_safetensors(path, {{"latents", part.slice(0, n, n + 1)}});
        });
      }
    }
  }
}

void InferRun::draw_batch(const Batch& batch, const WeightSet& set, PictureStore& store,
                          bool is_last) {
  const auto start = Clock::now();
  const std::vector<at::Tensor> latents = denoise_batch(batch, set);
  latents.back().flatten().slice(0, 0, 1).to(at::kCPU);  // waits for the device
  if (is_last) replay_.clear();
  release_freed_memory();  // the VAE allocates other sizes
  const double denoising = seconds_since(start);
  for (size_t i = 0; i < batch.size(); ++i) put_pictures(*batch[i], set, latents[i], store);

  int64_t pictures = 0;
  for (const PictureJob* job : batch) pictures += job->count;
  const int64_t steps_of_one =
      planned_scheduler(batch.front()->num_inference_steps)->timesteps().size(0);
  const auto steps = static_cast<double>(pictures * steps_of_one);
  const double seconds = seconds_since(start) / static_cast<double>(pictures);
  for (const PictureJob* job : batch) {
    for (int64_t n = 0; n < job->count; ++n) {
      report_.add({store.path(file_of(*job, n, set)).string(), seconds,
                   steps / std::max(denoising, 1e-9), weights_seconds_, peak_memory(), false});
    }
  }
}

void InferRun::draw_set(const Work& work, const Work* next, PictureStore& store) {
  if (work.jobs.empty()) return;
  // Loads the weights first, so that a bad set fails once and not for every batch.
  const double factor = work.jobs.front()->lora_scale.value_or(1.0);
  const auto start = Clock::now();
  if (!attempt(set_name(*work.set), [&] { unet_->use(*work.set, factor); })) return;
  weights_seconds_ = seconds_since(start);
  if (next != nullptr) unet_->read_ahead(*next->set);
  const std::vector<Batch> all = batches(work.jobs);
  for (size_t i = 0; i < all.size(); ++i) {
    const bool is_last = next == nullptr && i + 1 == all.size();
    attempt(file_of(*all[i].front(), 0, *work.set),
            [&] { draw_batch(all[i], *work.set, store, is_last); });
  }
}

void InferRun::draw(const PicturePlan& plan, PictureStore& store) {
  // 1. Find what is left to draw, and encode its prompts.
  std::vector<Work> work = find_work(plan, store);
  ranks_.barrier();  // every rank has looked before one draws
  take_share(&work);
  if (work.empty()) return;
  unet_->read_ahead(*work.front().set);
  read_loras(&work);
  encode_prompts(&work);

  // 2. Draw. The VAE stays; the UNet's weights change from set to set.
  if (config_.output_type != "latent" && !work.empty()) {
    vae_ = load_vae(inputs_.vae, variant(), for_inference(), /*with_encoder=*/false,
                    /*with_decoder=*/true);
  }
  progress_ = std::make_unique<Progress>("Drawing", count_steps(work), "step");
  for (size_t i = 0; i < work.size(); ++i) {
    draw_set(work[i], i + 1 < work.size() ? &work[i + 1] : nullptr, store);
  }
  progress_.reset();
}

}  // namespace sdxl
