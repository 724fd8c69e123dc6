#include "data/transform.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "device/random.h"

namespace sdxl {
namespace {

/// excess / 2 rounded half to even, as Python's round() does.
int64_t centred_offset(int64_t excess) {
  const int64_t half = excess / 2;
  return excess % 2 == 0 ? half : half + half % 2;
}

/// Draws what at::rand({1}) < 0.5 and at::randint(0, excess + 1) draw, without their tensors: a
/// float takes the low 24 bits of a word, a small integer its remainder. Speed counts, since every
/// picture of the data set has its plan made before the first step.
class ImageStream {
 public:
  ImageStream(uint64_t seed, uint64_t index)
      : generator_(stream_generator(seed, Stream::kImage, index)),
        own_(*at::check_generator<at::CPUGeneratorImpl>(generator_)) {}

  bool flip() { return (own_.random() & 0x800000u) == 0; }
  int64_t offset(int64_t excess) { return own_.random() % static_cast<uint64_t>(excess + 1); }

 private:
  at::Generator generator_;
  at::CPUGeneratorImpl& own_;
};

}  // namespace

at::Tensor TransformPlan::time_ids() const {
  at::Tensor ids = at::empty({6}, at::kFloat);
  const std::array<int64_t, 6> values = {original.height, original.width, crop_top,
                                         crop_left,       target.height,  target.width};
  std::copy(values.begin(), values.end(), ids.mutable_data_ptr<float>());
  return ids;
}

PixelSize covering_size(PixelSize original, PixelSize target) {
  if (original.width * target.height >= original.height * target.width) {
    return {target.height, target.height * original.width / original.height};
  }
  return {target.width * original.height / original.width, target.width};
}

void check_covering_size(PixelSize original, PixelSize target, const std::string& source) {
  if (original.height < 1 || original.width < 1) throw bad_data(source, "has no pixels");
  const PixelSize resized = covering_size(original, target);
  if (resized.height * resized.width <= kMaxPixels) return;
  throw bad_data(source, "a picture of ", original.width, "x", original.height,
                 " pixels would become ", resized.width, "x", resized.height, " for a target of ",
                 target.width, "x", target.height,
                 "; crop it or leave it out (--on_bad_image skip)");
}

TransformPlan plan_transform(PixelSize original, PixelSize target, const TransformOptions& options,
                             uint64_t seed, uint64_t index, const std::string& source) {
  check_covering_size(original, target, source);
  TransformPlan plan{original, covering_size(original, target), target};
  const int64_t excess_height = plan.resized.height - target.height;
  const int64_t excess_width = plan.resized.width - target.width;
  if (options.center_crop) {
    plan.crop_top = centred_offset(excess_height);
    plan.crop_left = centred_offset(excess_width);
    plan.flipped = draws_flip(options, seed, index);
    return plan;
  }
  ImageStream stream(seed, index);
  plan.flipped = options.random_flip && stream.flip();
  plan.crop_top = stream.offset(excess_height);
  plan.crop_left = stream.offset(excess_width);
  return plan;
}

bool draws_flip(const TransformOptions& options, uint64_t seed, uint64_t index) {
  return options.random_flip && ImageStream(seed, index).flip();
}

Image resized(const TransformPlan& plan, const Image& image, ResizeFilter filter) {
  if (plan.resized == PixelSize{image.height, image.width}) return image;
  return resize(image, plan.resized.height, plan.resized.width, filter);
}

Image flipped_and_cropped(const TransformPlan& plan, const Image& resized) {
  const Image whole = plan.flipped ? flip_horizontally(resized) : resized;
  if (plan.resized == plan.target) return whole;
  return crop(whole, plan.crop_top, plan.crop_left, plan.target.height, plan.target.width);
}

Image apply(const TransformPlan& plan, const Image& image, ResizeFilter filter) {
  return flipped_and_cropped(plan, resized(plan, image, filter));
}

void write_normalized_pixels(const Image& image, float* out) {
  static const std::array<float, 256> levels = [] {
    std::array<float, 256> table;
    for (int i = 0; i < 256; ++i) table[i] = (static_cast<float>(i) / 255.0f - 0.5f) / 0.5f;
    return table;
  }();
  const int64_t plane = image.height * image.width;
  for (int64_t i = 0; i < plane; ++i) {
    for (int64_t c = 0; c < 3; ++c) out[c * plane + i] = levels[image.rgb[i * 3 + c]];
  }
}

at::Tensor normalized_pixels(const Image& image) {
  at::Tensor pixels = at::empty({3, image.height, image.width}, at::kFloat);
  write_normalized_pixels(image, pixels.mutable_data_ptr<float>());
  return pixels;
}

}  // namespace sdxl
