// Building the data side of a run.
#include "commands/training_data.h"

#include <c10/core/GradMode.h>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "data/draw_order.h"

namespace sdxl {
namespace {

std::shared_ptr<const Dataset> open(const TrainingContext& context) {
  const TrainConfig& config = context.config;
  DatasetOptions options;
  options.path = config.train_data_dir ? *config.train_data_dir : *config.dataset_name;
  options.whole_directory = !config.dataset_name.has_value();
  options.config_name = config.dataset_config_name.value_or("");
  options.image_column = config.image_column;
  options.caption_column = config.caption_column;
  options.skip_bad_rows = config.on_bad_image == "skip";
  options.max_samples = config.max_train_samples.value_or(-1);
  options.seed = context.seed;
  std::shared_ptr<const Dataset> dataset = open_dataset(options);
  for (const std::string& note : dataset->notes()) log::info(note);
  return dataset;
}

SampleOptions sample_options(const TrainingContext& context) {
  const TrainConfig& config = context.config;
  SampleOptions options;
  options.transform = {config.resolution, config.center_crop, config.random_flip,
                       resize_filter_from_name(config.image_interpolation_mode)};
  options.seed = context.seed;
  options.proportion_empty_prompts = config.proportion_empty_prompts;
  options.skip_bad_images = config.on_bad_image == "skip";
  return options;
}

}  // namespace

fs::path TrainingContext::vae_directory() const {
  return config.pretrained_vae_model_name_or_path
             ? fs::path(*config.pretrained_vae_model_name_or_path)
             : pipeline.root() / "vae";
}

TrainingData::TrainingData(const TrainingContext& context)
    : context_(context),
      dataset_(open(context)),
      source_(std::make_shared<SampleSource>(
          dataset_, shuffled_order(dataset_->size(), context.seed), sample_options(context))) {}

void TrainingData::prepare(bool text_encoders_train) {
  prepare_prompts(text_encoders_train);
  prepare_pictures();
  BatchMakerOptions options{context_.seed, context_.device, context_.dtype, scaling_factor_,
                            !text_encoders_train};
  maker_ = std::make_shared<BatchMaker>(
      options, dataset_,
      [vae = vae_, device = context_.device](const at::Tensor& pixels) {
        const at::Tensor weight = *vae->parameters().back().tensor;
        return vae->encode(pixels.to(device, weight.scalar_type()));
      },
      [this](const std::vector<std::string>& captions) { return embed(captions); }, dropped_);
}

void TrainingData::prepare_prompts(bool text_encoders_train) {
  const c10::NoGradGuard no_grad;
  const TrainConfig& config = context_.config;
  prompt_encoder_ = std::make_shared<PromptEncoder>(
      context_.pipeline.prompt_encoder({context_.device, context_.dtype}));
  const bool zeros = context_.pipeline.force_zeros_for_empty_prompt();
  const PromptConditioning empty = encode_prompt(*prompt_encoder_, {""}, zeros);
  dropped_ = {empty.negative_hidden_states, empty.negative_pooled};
  for (const std::string& prompt : config.validation_prompt) {
    validation_prompts_.push_back({prompt, encode_prompt(*prompt_encoder_, {prompt}, zeros)});
  }
  if (text_encoders_train) log::info("text encoders train: prompts are encoded at every step");
}

void TrainingData::prepare_pictures() {
  vae_ = load_vae(context_.vae_directory(), context_.variant(), {context_.device, context_.dtype},
                  /*with_encoder=*/true, /*with_decoder=*/false);
  scaling_factor_ = vae_->config().scaling_factor;
}

PromptEmbedding TrainingData::embed(const std::vector<std::string>& captions) const {
  return prompt_encoder_->encode(captions, captions);
}

BatchSource TrainingData::batches(int64_t first) {
  const TrainConfig& config = context_.config;
  loader_ = std::make_shared<Loader>(
      [source = source_](int64_t draw) { return source->sample(draw); },
      BatchPlan{config.train_batch_size, 1, 0}, first, config.dataloader_num_workers);
  return [loader = loader_, maker = maker_]() -> std::optional<TrainingBatch> {
    const std::optional<Batch> batch = loader->next();
    if (!batch) return std::nullopt;
    return maker->make(*batch);
  };
}

std::vector<TrainingBatch> TrainingData::validation_batches(int64_t count) {
  std::vector<TrainingBatch> batches;
  const int64_t size = context_.config.train_batch_size;
  const int64_t end = std::min(count, dataset_->size());
  for (int64_t begin = 0; begin < end; begin += size) {
    std::vector<Sample> samples;
    for (int64_t draw = begin; draw < std::min(end, begin + size); ++draw) {
      samples.push_back(source_->sample(draw));
    }
    batches.push_back(maker_->make(collate(samples)));
  }
  return batches;
}

}  // namespace sdxl
