#include "data/sample_source.h"

#include <cstring>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "data/captions.h"
#include "io/decode.h"

namespace sdxl {
namespace {

/// Stacks a tensor of each sample, as at::stack does; undefined if the samples lack it.
at::Tensor stacked(const std::vector<Sample>& samples,
                   const at::Tensor& (*part_of)(const Sample& sample)) {
  const at::Tensor& first = part_of(samples.front());
  if (!first.defined()) return {};
  std::vector<int64_t> shape = first.sizes().vec();
  shape.insert(shape.begin(), static_cast<int64_t>(samples.size()));
  at::Tensor result = at::empty(shape, first.options());
  auto* out = static_cast<char*>(result.mutable_data_ptr());
  for (const Sample& sample : samples) {
    const at::Tensor& part = part_of(sample);
    TORCH_CHECK(part.sizes() == first.sizes() && part.dtype() == first.dtype(),
                "samples of one batch differ in shape");
    std::memcpy(out, part.const_data_ptr(), part.nbytes());
    out += part.nbytes();
  }
  return result;
}

at::Tensor stacked_pixels(const std::vector<Sample>& samples) {
  const Image& first = samples.front().pixels;
  if (first.rgb.empty()) return {};
  at::Tensor result =
      at::empty({static_cast<int64_t>(samples.size()), 3, first.height, first.width}, at::kFloat);
  for (size_t i = 0; i < samples.size(); ++i) {
    const Image& image = samples[i].pixels;
    TORCH_CHECK(image.height == first.height && image.width == first.width,
                "pictures of one batch differ in size");
    write_normalized_pixels(image,
                            result.mutable_data_ptr<float>() + i * 3 * first.height * first.width);
  }
  return result;
}

}  // namespace

Batch collate(const std::vector<Sample>& samples) {
  Batch batch;
  for (const Sample& sample : samples) {
    batch.draws.push_back(sample.draw);
    batch.rows.push_back(sample.row);
    batch.captions.push_back(sample.caption);
    batch.caption_dropped.push_back(sample.caption_dropped);
  }
  batch.pixels = stacked_pixels(samples);
  batch.moments =
      stacked(samples, [](const Sample& sample) -> const at::Tensor& { return sample.moments; });
  batch.time_ids =
      stacked(samples, [](const Sample& sample) -> const at::Tensor& { return sample.time_ids; });
  batch.embeds.prompt_embeds = stacked(samples, [](const Sample& sample) -> const at::Tensor& {
    return sample.embeds.prompt_embeds;
  });
  batch.embeds.pooled_prompt_embeds = stacked(
      samples,
      [](const Sample& sample) -> const at::Tensor& { return sample.embeds.pooled_prompt_embeds; });
  return batch;
}

SampleSource::SampleSource(std::shared_ptr<const Dataset> dataset,
                           std::shared_ptr<const DrawOrder> order, SampleOptions options)
    : dataset_(std::move(dataset)), order_(std::move(order)), options_(std::move(options)) {}

PixelSize SampleSource::target(int64_t row) const {
  if (options_.bucket_of_row.empty()) {
    return {options_.transform.resolution, options_.transform.resolution};
  }
  return options_.bucket_sizes[options_.bucket_of_row[row]];
}

void SampleSource::use_latents(std::shared_ptr<const LatentCache> cache,
                               std::shared_ptr<const PictureTable> pictures, int64_t crops) {
  latents_ = std::move(cache);
  pictures_ = std::move(pictures);
  crops_ = options_.transform.center_crop ? 1 : crops;
}

void SampleSource::use_prompts(std::shared_ptr<const PromptCache> cache, PromptEmbeds dropped) {
  prompts_ = std::move(cache);
  dropped_ = std::move(dropped);
}

Sample SampleSource::sample(int64_t draw) const {
  Sample sample;
  sample.draw = draw;
  sample.row = order_->row(draw);
  if (latents_) {
    add_latents(&sample);
  } else {
    add_pixels(&sample);
  }
  add_caption(&sample);
  return sample;
}

TransformPlan SampleSource::cached_plan(const PictureInfo& picture, int64_t row,
                                        int64_t crop) const {
  TransformPlan plan =
      plan_transform(picture.size(), target(row), options_.transform, options_.seed,
                     static_cast<uint64_t>(crop * dataset_->size() + row), dataset_->name(row));
  plan.flipped = false;
  return plan;
}

Image SampleSource::decoded(int64_t row) const {
  return decode_image(dataset_->image_bytes(row), dataset_->name(row));
}

void SampleSource::add_pixels(Sample* sample) const {
  const Image image = decoded(sample->row);
  const TransformPlan plan = plan_transform(
      {image.height, image.width}, target(sample->row), options_.transform, options_.seed,
      static_cast<uint64_t>(sample->draw), dataset_->name(sample->row));
  sample->pixels = apply(plan, image, options_.transform.filter);
  sample->time_ids = plan.time_ids();
}

void SampleSource::add_latents(Sample* sample) const {
  const PictureInfo& picture = (*pictures_)[sample->row];
  const int64_t crop = sample->draw / dataset_->size() % crops_;
  TransformPlan plan = cached_plan(picture, sample->row, crop);
  plan.flipped = draws_flip(options_.transform, options_.seed, static_cast<uint64_t>(sample->draw));
  sample->moments = latents_->moments(LatentCache::key(picture, plan));
  sample->time_ids = plan.time_ids();
  if (!sample->moments.defined()) {
    throw bad_data(dataset_->name(sample->row),
                   "the cache has no latents of it; run the command again to make them");
  }
}

void SampleSource::add_caption(Sample* sample) const {
  const std::vector<std::string> captions = dataset_->captions(sample->row);
  if (captions.empty()) {
    throw bad_data(dataset_->name(sample->row), "has no caption");
  }
  const CaptionChoice choice =
      choose_caption(static_cast<int64_t>(captions.size()), options_.proportion_empty_prompts,
                     options_.seed, static_cast<uint64_t>(sample->draw));
  sample->caption_dropped = choice.dropped;
  if (!choice.dropped) sample->caption = captions[choice.choice];
  if (!prompts_) return;
  sample->embeds =
      choice.dropped ? dropped_ : prompts_->embedding(PromptCache::key(sample->caption));
  if (!sample->embeds.prompt_embeds.defined()) {
    throw Error(ExitStatus::kBadData, "the cache has no embedding of the caption ",
                quoted(sample->caption, 60), "; run the command again to make it");
  }
}

}  // namespace sdxl
