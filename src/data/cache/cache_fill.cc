#include "data/cache/cache_fill.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/stop.h"
#include "base/text.h"
#include "data/loader.h"
#include "data/parallel_rows.h"

namespace sdxl {
namespace {

constexpr int64_t kKeyThreads = 2;

/// Positions [begin, end) of the fill's order.
struct Span {
  int64_t begin, end;
};

/// Cuts `count` positions into batches whose positions agree in `group_of`.
template <typename GroupOf>
std::vector<Span> cut_into_batches(int64_t count, int64_t batch_size, const GroupOf& group_of) {
  std::vector<Span> batches;
  for (int64_t begin = 0; begin < count;) {
    int64_t end = begin + 1;
    while (end < count && end - begin < batch_size && group_of(end) == group_of(begin)) ++end;
    batches.push_back({begin, end});
    begin = end;
  }
  return batches;
}

/// This rank's batches that miss a value.
std::vector<Span> batches_to_do(const std::vector<Span>& batches,
                                const std::vector<uint8_t>& missing, const FillOptions& options) {
  std::vector<Span> to_do;
  for (size_t k = 0; k < batches.size(); ++k) {
    const auto begin = missing.begin() + batches[k].begin, end = missing.begin() + batches[k].end;
    if (static_cast<int64_t>(k) % options.ranks == options.rank &&
        std::any_of(begin, end, [](uint8_t m) { return m != 0; })) {
      to_do.push_back(batches[k]);
    }
  }
  return to_do;
}

int64_t positions_in(const std::vector<Span>& batches) {
  return std::accumulate(batches.begin(), batches.end(), int64_t{0},
                         [](int64_t sum, const Span& b) { return sum + b.end - b.begin; });
}

class LatentFill {
 public:
  LatentFill(LatentCache& cache, const SampleSource& source, const PictureTable& pictures,
             int64_t crops, const FillOptions& options)
      : cache_(cache),
        source_(source),
        pictures_(pictures),
        options_(options),
        rows_(source.dataset().size()),
        flips_(source.options().transform.random_flip ? 2 : 1),
        units_(rows_ * crops) {
    const std::vector<uint16_t>& bucket_of_row = source.options().bucket_of_row;
    std::iota(units_.begin(), units_.end(), 0);
    if (!bucket_of_row.empty()) {
      std::stable_sort(units_.begin(), units_.end(), [&](int64_t a, int64_t b) {
        return bucket_of_row[a % rows_] < bucket_of_row[b % rows_];
      });
    }
  }

  FillReport run(const EncodePictures& encode) {
    std::vector<uint8_t> missing(units_.size());
    for_rows_in_parallel(std::ssize(units_), kKeyThreads, "looking up the cache",
                         [&](int64_t i) { missing[i] = is_missing(units_[i]); });
    const auto group_of = [&](int64_t i) {
      const auto& bucket_of_row = source_.options().bucket_of_row;
      return bucket_of_row.empty() ? 0 : bucket_of_row[units_[i] % rows_];
    };
    const std::vector<Span> batches = batches_to_do(
        cut_into_batches(std::ssize(units_), options_.batch_size, group_of), missing, options_);
    FillReport report{std::ssize(units_) * flips_, 0};
    if (!batches.empty()) report.encoded = encode_all(batches, encode);
    return report;
  }

 private:
  /// A unit is a crop of a row: crop * rows + row. It has a plan for each flip.
  TransformPlan plan(int64_t unit, int64_t flip) const {
    const int64_t row = unit % rows_;
    TransformPlan plan = source_.cached_plan(pictures_[row], row, unit / rows_);
    plan.flipped = flip != 0;
    return plan;
  }
  CacheKey key(const TransformPlan& plan, int64_t unit) const {
    return LatentCache::key(pictures_[unit % rows_], plan);
  }

  bool is_missing(int64_t unit) const {
    TransformPlan flipped = plan(unit, 0);
    for (int64_t flip = 0; flip < flips_; ++flip) {
      flipped.flipped = flip != 0;
      if (!cache_.contains(key(flipped, unit))) return true;
    }
    return false;
  }

  /// The unit's crops of all flips, one below the other.
  Sample pixels_of(int64_t unit) const {
    Sample sample;
    sample.draw = sample.row = unit;
    const TransformPlan upright = plan(unit, 0);
    sample.pixels = {upright.target.height * flips_, upright.target.width, {}};
    std::vector<uint8_t>& rgb = sample.pixels.rgb;
    const Image whole =
        resized(upright, source_.decoded(unit % rows_), source_.options().transform.filter);
    for (int64_t flip = 0; flip < flips_; ++flip) {
      const Image crop = flipped_and_cropped(plan(unit, flip), whole);
      rgb.insert(rgb.end(), crop.rgb.begin(), crop.rgb.end());
    }
    return sample;
  }

  int64_t encode_all(const std::vector<Span>& batches, const EncodePictures& encode) {
    const auto units_of = [&](int64_t k) {
      if (k >= std::ssize(batches)) return std::vector<int64_t>{};
      return std::vector<int64_t>(units_.begin() + batches[k].begin,
                                  units_.begin() + batches[k].end);
    };
    Loader loader([this](int64_t unit) { return pixels_of(unit); }, units_of, options_.workers);
    Progress progress("caching latents", positions_in(batches), "picture");
    int64_t encoded = 0;
    while (stop_requested() == 0) {
      const std::optional<Batch> batch = loader.next();
      if (!batch) break;
      encoded += encode_batch(*batch, encode);
      progress.advance(batch->draws.size());
    }
    cache_.store().flush();
    throw_if_stop_requested("caching latents; finished ones stay cached");
    return encoded;
  }

  int64_t encode_batch(const Batch& batch, const EncodePictures& encode) {
    int64_t encoded = 0;
    const int64_t height = batch.pixels.size(2) / flips_;
    for (int64_t flip = 0; flip < flips_; ++flip) {
      const at::Tensor pixels = batch.pixels.narrow(2, flip * height, height).contiguous();
      const at::Tensor moments = encode(pixels).to(at::kCPU, cache_.dtype());
      for (size_t i = 0; i < batch.draws.size(); ++i) {
        const int64_t unit = batch.draws[i];
        const CacheKey where = key(plan(unit, flip), unit);
        if (cache_.contains(where)) continue;
        const at::Tensor row = moments[static_cast<int64_t>(i)];
        refuse_unless_finite(row, unit);
        cache_.put(where, row);
        ++encoded;
      }
    }
    return encoded;
  }

  void refuse_unless_finite(const at::Tensor& moments, int64_t unit) const {
    if (at::isfinite(moments).all().item<bool>()) return;
    throw Error(
        ExitStatus::kBadNumbers,
        str("the VAE gives NaN or infinity for ", quoted(source_.dataset().name(unit % rows_)),
            " in ", c10::toString(cache_.dtype()),
            "; use --mixed_precision no or bf16, or a VAE made for fp16 "
            "(--pretrained_vae_model_name_or_path)"));
  }

  LatentCache& cache_;
  const SampleSource& source_;
  const PictureTable& pictures_;
  FillOptions options_;
  int64_t rows_, flips_;
  std::vector<int64_t> units_;
};

/// The distinct captions of the data set, in the order of their first appearance.
std::vector<CaptionInfo> distinct(const CaptionTable& table) {
  std::vector<CaptionInfo> captions;
  std::unordered_set<uint64_t> seen;
  captions.reserve(table.captions().size());
  seen.reserve(table.captions().size());
  for (const CaptionInfo& caption : table.captions()) {
    if (seen.insert(caption.key.words[0]).second) captions.push_back(caption);
  }
  return captions;
}

void refuse_unless_finite(const PromptEmbeds& embedding, int64_t i, const std::string& text) {
  if (at::isfinite(embedding.prompt_embeds[i]).all().item<bool>() &&
      at::isfinite(embedding.pooled_prompt_embeds[i]).all().item<bool>()) {
    return;
  }
  throw Error(ExitStatus::kBadNumbers,
              str("the embedding of the caption ", quoted(text, 60), " has NaN or infinity in ",
                  c10::toString(embedding.pooled_prompt_embeds.scalar_type()),
                  "; use --mixed_precision no or bf16, or another --cache_dtype"));
}

/// Returns how many of the texts were not cached yet.
int64_t encode_texts(PromptCache& cache, const std::vector<std::string>& texts,
                     const EncodeCaptions& encode) {
  PromptEmbeds embedding = encode(texts);
  embedding.prompt_embeds = embedding.prompt_embeds.to(at::kCPU, cache.dtype());
  embedding.pooled_prompt_embeds = embedding.pooled_prompt_embeds.to(at::kCPU, cache.dtype());
  int64_t encoded = 0;
  for (int64_t i = 0; i < std::ssize(texts); ++i) {
    const CacheKey key = PromptCache::key(texts[i]);
    if (cache.contains(key)) continue;
    refuse_unless_finite(embedding, i, texts[i]);
    cache.put(key, {embedding.prompt_embeds[i], embedding.pooled_prompt_embeds[i]});
    ++encoded;
  }
  return encoded;
}

}  // namespace

FillReport fill_latents(LatentCache& cache, const SampleSource& source,
                        const PictureTable& pictures, int64_t crops, const EncodePictures& encode,
                        const FillOptions& options) {
  if (source.options().transform.center_crop) crops = 1;
  return LatentFill(cache, source, pictures, crops, options).run(encode);
}

FillReport fill_prompts(PromptCache& cache, const Dataset& dataset, const CaptionTable& table,
                        const EncodeCaptions& encode, const FillOptions& options) {
  const std::vector<CaptionInfo> captions = distinct(table);
  std::vector<uint8_t> missing(captions.size());
  for (size_t i = 0; i < captions.size(); ++i) missing[i] = !cache.contains(captions[i].key);
  const std::vector<Span> batches = batches_to_do(
      cut_into_batches(std::ssize(captions), options.batch_size, [](int64_t) { return 0; }),
      missing, options);
  FillReport report{std::ssize(captions), 0};
  if (batches.empty()) return report;
  Progress progress("caching prompts", positions_in(batches), "caption");
  for (const Span& batch : batches) {
    if (stop_requested()) cache.store().flush();
    throw_if_stop_requested("caching prompts; finished ones stay cached");
    std::vector<std::string> texts;
    for (int64_t i = batch.begin; i < batch.end; ++i) {
      texts.push_back(dataset.captions(captions[i].row).at(captions[i].number));
    }
    report.encoded += encode_texts(cache, texts, encode);
    progress.advance(batch.end - batch.begin);
  }
  cache.store().flush();
  return report;
}

FillReport fill_prompts(PromptCache& cache, const std::vector<std::string>& texts,
                        const EncodeCaptions& encode, const FillOptions& options) {
  FillReport report{std::ssize(texts), 0};
  for (int64_t i = 0; i < std::ssize(texts); ++i) {
    if (i % options.ranks != options.rank || cache.contains(PromptCache::key(texts[i]))) continue;
    report.encoded += encode_texts(cache, {texts[i]}, encode);
  }
  cache.store().flush();
  return report;
}

}  // namespace sdxl
