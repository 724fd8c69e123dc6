// AVIF by libavif; of a sequence the first frame. As in Pillow, the container's rotation and mirror
// count, and EXIF's orientation does not.
#include <avif/avif.h>

#include <memory>

#include "base/text.h"
#include "io/image_formats.h"

namespace sdxl::formats {
namespace {

using Decoder = std::unique_ptr<avifDecoder, decltype(&avifDecoderDestroy)>;

[[noreturn]] void refuse_avif(avifResult result) {
  throw BadImage{str("it is damaged or cut short: ", avifResultToString(result))};
}

Decoder parsed(std::string_view bytes) {
  Decoder decoder(avifDecoderCreate(), avifDecoderDestroy);
  decoder->maxThreads = 1;
  // As Pillow: encoders write files that break these rules.
  decoder->strictFlags &= ~(AVIF_STRICT_CLAP_VALID | AVIF_STRICT_PIXI_REQUIRED);
  avifResult result = avifDecoderSetIOMemory(
      decoder.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (result == AVIF_RESULT_OK) result = avifDecoderParse(decoder.get());
  if (result != AVIF_RESULT_OK) refuse_avif(result);
  return decoder;
}

/// The orientation of EXIF that a rotation (by quarter turns against the clock) and then a mirror
/// make.
int avif_orientation(const avifImage& image) {
  const int turns = (image.transformFlags & AVIF_TRANSFORM_IROT) ? image.irot.angle & 3 : 0;
  constexpr int kTurned[] = {1, 8, 3, 6};
  if (!(image.transformFlags & AVIF_TRANSFORM_IMIR)) return kTurned[turns];
  constexpr int kTopToBottom[] = {4, 5, 2, 7}, kLeftToRight[] = {2, 7, 4, 5};
  return image.imir.mode == 0 ? kTopToBottom[turns] : kLeftToRight[turns];
}

}  // namespace

Info avif_info(std::string_view bytes) {
  const Decoder decoder = parsed(bytes);
  const avifImage& image = *decoder->image;
  return {image.height, image.width, avif_orientation(image)};
}

Image decode_avif(std::string_view bytes, const Info& info) {
  const Decoder decoder = parsed(bytes);
  avifResult result = avifDecoderNextImage(decoder.get());
  if (result != AVIF_RESULT_OK) refuse_avif(result);
  if (decoder->image->height != info.height || decoder->image->width != info.width) {
    throw BadImage{"its picture is not of the size that its header says"};
  }
  // With an alpha channel the colours come divided by it, which only RGBA makes libavif do.
  avifRGBImage rgb;
  avifRGBImageSetDefaults(&rgb, decoder->image);
  rgb.depth = 8;
  rgb.format = decoder->alphaPresent ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
  const size_t channels = decoder->alphaPresent ? 4 : 3;
  std::vector<uint8_t> pixels(static_cast<size_t>(info.height * info.width) * channels);
  rgb.pixels = pixels.data();
  rgb.rowBytes = static_cast<uint32_t>(static_cast<size_t>(info.width) * channels);
  result = avifImageYUVToRGB(decoder->image, &rgb);
  if (result != AVIF_RESULT_OK) refuse_avif(result);
  if (channels == 3) return {info.height, info.width, std::move(pixels)};
  Image image{info.height, info.width, {}};
  image.rgb.reserve(pixels.size() / 4 * 3);
  for (size_t i = 0; i < pixels.size(); i += 4) {
    image.rgb.insert(image.rgb.end(), pixels.begin() + i, pixels.begin() + i + 3);
  }
  return image;
}

}  // namespace sdxl::formats
