// Filling the caches and training from them, with encoders by formula.
#include "data/cache/cache_fill.h"

#include <gmock/gmock.h>

#include "base/stop.h"
#include "data/data_test_files.h"
#include "data/formats/registry.h"
#include "io/resize.h"

namespace sdxl {
namespace {

using ::testing::HasSubstr;

// Eight pictures of different shapes, the third of a list of captions.
class Pictures {
 public:
  explicit Pictures(int64_t count = 8) {
    for (int64_t i = 0; i < count; ++i) {
      directory.write(std::to_string(i) + ".png", formula_png(16 + i, 20 + 3 * i % 7, i));
      lines +=
          "{\"file_name\": \"" + std::to_string(i) + ".png\", \"text\": " +
          (i == 2 ? std::string("[\"a\", \"b\"]") : "\"caption " + std::to_string(i % 5) + "\"") +
          "}\n";
    }
    directory.write("metadata.jsonl", lines);
  }
  std::shared_ptr<SampleSource> source(SampleOptions options) {
    DatasetOptions where;
    where.path = directory.path().string();
    std::shared_ptr<const Dataset> dataset = open_dataset(where);
    auto memory = PictureTable::open_cache(cache.path());
    pictures = std::make_shared<PictureTable>(*dataset, memory.get(), /*decode=*/false, 2);
    return std::make_shared<SampleSource>(dataset, shuffled_order(dataset->size(), options.seed),
                                          options);
  }
  TemporaryDirectory directory, cache;
  std::string lines;
  std::shared_ptr<PictureTable> pictures;
};

SampleOptions small(bool center_crop = false) {
  SampleOptions options;
  options.transform.resolution = 16;
  options.transform.center_crop = center_crop;
  options.transform.random_flip = true;
  options.seed = 5;
  return options;
}

// Means over 8 x 8 blocks of each colour, and the number of the batch's pictures: so that a test
// sees how batches were made.
at::Tensor encode_blocks(const at::Tensor& pixels) {
  const at::Tensor means = at::avg_pool2d(pixels, {8, 8});
  return at::cat({means, at::full_like(means, static_cast<double>(pixels.size(0)))}, 1);
}

std::shared_ptr<LatentCache> latent_cache(const Pictures& p, const char* weights = "w") {
  return std::make_shared<LatentCache>(p.cache.path(), Json{{"weights", weights}},
                                       ResizeFilter::kLanczos, at::kFloat);
}

FillReport fill(LatentCache& cache, Pictures& p, const SampleSource& source, int64_t crops,
                FillOptions options = {3, 1, 0, 2}) {
  return fill_latents(cache, source, *p.pictures, crops, encode_blocks, options);
}

TEST(CacheFill, CachedSamplesAreThoseOfThePictures) {
  Pictures p;
  const auto source = p.source(small(true)), cached = p.source(small(true));
  auto cache = latent_cache(p);
  EXPECT_EQ(fill(*cache, p, *cached, 1).encoded, 16);
  cached->use_latents(cache, p.pictures, 1);
  for (int64_t draw = 0; draw < 40; ++draw) {
    const Sample expected = source->sample(draw), sample = cached->sample(draw);
    EXPECT_EQ(sample.row, expected.row);
    EXPECT_EQ(sample.caption, expected.caption);
    EXPECT_TRUE(at::equal(sample.time_ids, expected.time_ids));
    const at::Tensor means = at::avg_pool2d(normalized_pixels(expected.pixels), {8, 8});
    EXPECT_TRUE(at::equal(sample.moments.narrow(0, 0, 3), means)) << draw;
  }
}

// Crop c of row i has index c * n + i of the stream; draw d takes c = (d / n) mod crops.
TEST(CacheFill, RandomCropsAreThoseOfTheDesign) {
  Pictures p;
  const auto source = p.source(small());
  auto cache = latent_cache(p);
  EXPECT_EQ(fill(*cache, p, *source, 3).wanted, 8 * 3 * 2);
  source->use_latents(cache, p.pictures, 3);
  for (int64_t draw = 0; draw < 64; ++draw) {
    const Sample sample = source->sample(draw);
    const Image image = source->decoded(sample.row);
    TransformPlan plan = plan_transform({image.height, image.width}, {16, 16}, small().transform, 5,
                                        draw / 8 % 3 * 8 + sample.row, "");
    plan.flipped = draws_flip(small().transform, 5, draw);
    EXPECT_TRUE(at::equal(sample.time_ids, plan.time_ids()));
    const Image crop = apply(plan, image, ResizeFilter::kLanczos);
    EXPECT_TRUE(
        at::equal(sample.moments.narrow(0, 0, 3), at::avg_pool2d(normalized_pixels(crop), {8, 8})));
  }
}

TEST(CacheFill, SecondFillEncodesNothing) {
  Pictures p;
  const auto source = p.source(small());
  const auto cache = latent_cache(p);
  EXPECT_GT(fill(*cache, p, *source, 2).encoded, 0);
  const auto again = latent_cache(p);
  EXPECT_EQ(fill(*again, p, *p.source(small()), 2).encoded, 0);
  const auto other = latent_cache(p, "other weights");
  EXPECT_GT(fill(*other, p, *source, 2).encoded, 0);
}

TEST(CacheFill, ChangedPictureIsEncodedAgainAlone) {
  Pictures p;
  const auto cache = latent_cache(p);
  fill(*cache, p, *p.source(small(true)), 1);
  p.directory.write("3.png", formula_png(30, 30, 99));
  EXPECT_EQ(fill(*cache, p, *p.source(small(true)), 1).encoded, 2);
}

TEST(CacheFill, AFillTakenUpAgainMakesTheSameBatches) {
  Pictures p(10);
  const auto source = p.source(small());
  const auto whole = latent_cache(p, "whole"), parts = latent_cache(p, "parts");
  fill(*whole, p, *source, 2);
  int calls = 0;
  const auto interrupted = [&](const at::Tensor& pixels) {
    if (++calls == 4) throw Error(ExitStatus::kOutOfMemory, "stop");
    return encode_blocks(pixels);
  };
  test::error_message(
      [&] {
        fill_latents(*parts, *source, *p.pictures, 2, interrupted, {3, 1, 0, 2});
      },
      ExitStatus::kOutOfMemory);
  fill(*parts, p, *source, 2);
  for (int64_t row = 0; row < 10; ++row) {
    for (int64_t crop = 0; crop < 2; ++crop) {
      const CacheKey key =
          LatentCache::key((*p.pictures)[row], source->cached_plan((*p.pictures)[row], row, crop));
      EXPECT_TRUE(at::equal(whole->moments(key), parts->moments(key)));
    }
  }
}

TEST(CacheFill, RanksShareTheBatches) {
  Pictures p(10);
  const auto source = p.source(small());
  const auto whole = latent_cache(p, "whole");
  const FillReport all = fill(*whole, p, *source, 1);
  int64_t encoded = 0;
  for (int64_t rank = 0; rank < 3; ++rank) {
    const auto cache = latent_cache(p);
    encoded += fill(*cache, p, *source, 1, {3, 3, rank, 0}).encoded;
  }
  EXPECT_EQ(encoded, all.encoded);
  const auto cache = latent_cache(p);
  EXPECT_EQ(fill(*cache, p, *source, 1).encoded, 0);
}

TEST(CacheFill, LatentsThatAreNotFiniteAreRefused) {
  Pictures p;
  const auto cache = latent_cache(p);
  const auto source = p.source(small());
  const auto encode = [](const at::Tensor& pixels) { return encode_blocks(pixels) / 0; };
  EXPECT_THAT(test::error_message(
                  [&] {
                    fill_latents(*cache, *source, *p.pictures, 1, encode, {3, 1, 0, 0});
                  },
                  ExitStatus::kBadNumbers),
              HasSubstr("0.png"));
}

TEST(CacheFill, UndecodablePicturesFail) {
  Pictures p;
  const std::string png = formula_png(40, 40);
  p.directory.write("4.png", png.substr(0, png.size() / 2));
  const auto cache = latent_cache(p);
  EXPECT_THAT(test::error_message([&] { fill(*cache, p, *p.source(small()), 1); }),
              HasSubstr("4.png"));
}

TEST(CacheFill, StopRequestKeepsWhatWasMade) {
  Pictures p;
  const auto cache = latent_cache(p);
  const auto source = p.source(small());
  const auto encode = [](const at::Tensor& pixels) {
    request_stop(15);
    return encode_blocks(pixels);
  };
  test::error_message(
      [&] {
        fill_latents(*cache, *source, *p.pictures, 1, encode, {3, 1, 0, 1});
      },
      ExitStatus::kInterrupted);
  request_stop(0);
  EXPECT_EQ(latent_cache(p)->store().statistics().values, 6);  // one batch
}

PromptEmbeds embed(const std::vector<std::string>& captions) {
  PromptEmbeds result{at::zeros({std::ssize(captions), 2, 3}, at::kFloat),
                      at::zeros({std::ssize(captions), 4})};
  for (int64_t i = 0; i < std::ssize(captions); ++i) {
    result.prompt_embeds[i].fill_(captions[i].back());
  }
  return result;
}

TEST(CacheFill, PromptsAreEncodedOnceForEachText) {
  Pictures p;
  SampleOptions options = small();
  options.proportion_empty_prompts = 0.3;
  const auto source = p.source(options);
  auto cache = std::make_shared<PromptCache>(p.cache.path(), Json{{"weights", "t"}}, at::kBFloat16);
  const CaptionTable captions(source->dataset(), {}, 1);
  EXPECT_EQ(fill_prompts(*cache, source->dataset(), captions, embed, {2, 1, 0, 0}).encoded, 7);
  EXPECT_EQ(fill_prompts(*cache, source->dataset(), captions, embed, {2, 1, 0, 0}).encoded, 0);
  source->use_prompts(cache, {at::zeros({2, 3}, at::kBFloat16), at::zeros({4}, at::kBFloat16)});
  int dropped = 0;
  for (int64_t draw = 0; draw < 40; ++draw) {
    const Sample sample = source->sample(draw);
    dropped += sample.caption_dropped;
    EXPECT_EQ(sample.embeds.prompt_embeds[1][2].item<float>(),
              sample.caption_dropped ? 0 : sample.caption.back());
  }
  EXPECT_GT(dropped, 0);
}

}  // namespace
}  // namespace sdxl
