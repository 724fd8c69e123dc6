// TIFF by libtiff: the first page, as Pillow converts it to RGB. Samples of more than 16 bits, of
// floating point or in Lab are refused.
#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/text.h"
#include "io/image_formats.h"

namespace sdxl::formats {
namespace {

constexpr int kMostSamples = 6;
constexpr uint64_t kLargestBlock = uint64_t{1} << 30;

struct CloseTiff {
  void operator()(TIFF* file) const { TIFFClose(file); }
};

/// The file in memory, and the first error that libtiff reports.
struct TiffBytes {
  std::string_view bytes;
  uint64_t position = 0;
  std::string error;
};

tmsize_t read_tiff(thandle_t handle, void* to, tmsize_t size) {
  auto& file = *static_cast<TiffBytes*>(handle);
  const std::string_view rest =
      file.bytes.substr(std::min<uint64_t>(file.position, file.bytes.size()));
  const size_t length = std::min(rest.size(), static_cast<size_t>(size));
  std::memcpy(to, rest.data(), length);
  file.position += length;
  return static_cast<tmsize_t>(length);
}

tmsize_t write_nothing(thandle_t, void*, tmsize_t) { return 0; }

toff_t seek_tiff(thandle_t handle, toff_t offset, int whence) {
  auto& file = *static_cast<TiffBytes*>(handle);
  const uint64_t start = whence == SEEK_CUR   ? file.position
                         : whence == SEEK_END ? file.bytes.size()
                                              : 0;
  return file.position = start + offset;
}

int keep_open(thandle_t) { return 0; }

toff_t size_of_tiff(thandle_t handle) { return static_cast<TiffBytes*>(handle)->bytes.size(); }

int keep_error(TIFF*, void* data, const char*, const char* format, va_list arguments) {
  auto& error = static_cast<TiffBytes*>(data)->error;
  char text[256];
  std::vsnprintf(text, sizeof text, format, arguments);
  if (error.empty()) error = text;
  return 1;
}

int drop_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

/// What the tags say of the pixels.
struct TiffLayout {
  uint32_t width = 0, height = 0;
  uint16_t orientation = ORIENTATION_TOPLEFT, photometric = 0, bits = 1, samples = 1;
  uint16_t planar = PLANARCONFIG_CONTIG, format = SAMPLEFORMAT_UINT, compression = COMPRESSION_NONE;
  bool premultiplied = false;  ///< The first extra sample is an alpha that the colours include.
};

class TiffFile {
 public:
  explicit TiffFile(std::string_view bytes) : bytes_{bytes, 0, {}} {
    const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
        TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_error, &bytes_);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), drop_warning, nullptr);
    // "m": no memory mapping.
    file_.reset(TIFFClientOpenExt("", "rm", &bytes_, read_tiff, write_nothing, seek_tiff, keep_open,
                                  size_of_tiff, nullptr, nullptr, options.get()));
    if (!file_) fail();
    read_layout();
  }

  TIFF* get() const { return file_.get(); }
  const TiffLayout& layout() const { return layout_; }
  [[noreturn]] void fail() const {
    throw BadImage{"it is damaged or cut short: " +
                   (bytes_.error.empty() ? "unknown" : bytes_.error)};
  }

 private:
  void read_layout() {
    TIFF* file = file_.get();
    TiffLayout& l = layout_;
    if (!TIFFGetField(file, TIFFTAG_IMAGEWIDTH, &l.width) ||
        !TIFFGetField(file, TIFFTAG_IMAGELENGTH, &l.height)) {
      throw BadImage{"it does not say its size"};
    }
    TIFFGetFieldDefaulted(file, TIFFTAG_ORIENTATION, &l.orientation);
    TIFFGetFieldDefaulted(file, TIFFTAG_BITSPERSAMPLE, &l.bits);
    TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLESPERPIXEL, &l.samples);
    TIFFGetFieldDefaulted(file, TIFFTAG_PLANARCONFIG, &l.planar);
    TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLEFORMAT, &l.format);
    TIFFGetFieldDefaulted(file, TIFFTAG_COMPRESSION, &l.compression);
    TIFFGetField(file, TIFFTAG_PHOTOMETRIC, &l.photometric);
    uint16_t extra = 0;
    uint16_t* kinds = nullptr;
    TIFFGetFieldDefaulted(file, TIFFTAG_EXTRASAMPLES, &extra, &kinds);
    l.premultiplied = extra > 0 && kinds[0] == EXTRASAMPLE_ASSOCALPHA;
  }

  TiffBytes bytes_;
  std::unique_ptr<TIFF, CloseTiff> file_;
  TiffLayout layout_;
};

/// One pixel's samples in 8 bits, as Pillow scales them, to RGB.
class ToRgb {
 public:
  explicit ToRgb(const TiffFile& file) : layout_(file.layout()) {
    switch (layout_.photometric) {
      case PHOTOMETRIC_MINISWHITE:
      case PHOTOMETRIC_MINISBLACK:
        colors_ = 1;
        break;
      case PHOTOMETRIC_PALETTE:
        colors_ = 1;
        read_palette(file);
        break;
      case PHOTOMETRIC_RGB:
      case PHOTOMETRIC_YCBCR:  // libtiff's JPEG decoder gives RGB.
        colors_ = 3;
        break;
      case PHOTOMETRIC_SEPARATED:
        colors_ = 4;
        break;
      default:
        throw BadImage{str("its colours are of kind ", layout_.photometric,
                           ", which is not read; convert it to RGB")};
    }
    if (layout_.samples < colors_ || layout_.samples > kMostSamples) {
      throw BadImage{str("its pixels have ", layout_.samples, " samples")};
    }
  }

  /// How many samples of a pixel convert() looks at.
  int samples() const { return colors_ + (layout_.premultiplied && colors_ == 3 ? 1 : 0); }

  void convert(const uint8_t* s, uint8_t* rgb) const {
    if (layout_.photometric == PHOTOMETRIC_PALETTE) {
      std::copy_n(palette_[s[0]].begin(), 3, rgb);
    } else if (colors_ == 1) {
      const uint8_t gray = layout_.photometric == PHOTOMETRIC_MINISWHITE ? 255 - s[0] : s[0];
      std::fill_n(rgb, 3, gray);
    } else if (colors_ == 4) {
      for (int c = 0; c < 3; ++c) rgb[c] = without_black(s[c], 255 - s[3]);
    } else if (layout_.premultiplied && s[3] < 255) {
      for (int c = 0; c < 3; ++c) rgb[c] = s[3] == 0 ? 0 : std::min(255, s[c] * 255 / s[3]);
    } else {
      std::copy_n(s, 3, rgb);
    }
  }

 private:
  /// key - ink * key / 255 as Pillow rounds it.
  static uint8_t without_black(int ink, int key) {
    const int product = ink * key + 128;
    return static_cast<uint8_t>(std::max(0, key - (((product >> 8) + product) >> 8)));
  }

  void read_palette(const TiffFile& file) {
    uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
    if (!TIFFGetField(file.get(), TIFFTAG_COLORMAP, &red, &green, &blue)) {
      throw BadImage{"it has no palette"};
    }
    for (int i = 0; i < 1 << std::min<int>(layout_.bits, 8); ++i) {
      palette_[i] = {static_cast<uint8_t>(red[i] >> 8), static_cast<uint8_t>(green[i] >> 8),
                     static_cast<uint8_t>(blue[i] >> 8)};
    }
  }

  const TiffLayout& layout_;
  int colors_ = 1;
  std::array<std::array<uint8_t, 3>, 256> palette_{};
};

/// Decodes strips or tiles.
class TiffDecoder {
 public:
  TiffDecoder(const TiffFile& file, Image* image)
      : file_(file), layout_(file.layout()), to_rgb_(file), image_(*image) {
    const bool tiled = TIFFIsTiled(file.get());
    planes_ = layout_.planar == PLANARCONFIG_SEPARATE ? to_rgb_.samples() : 1;
    samples_ = layout_.planar == PLANARCONFIG_SEPARATE ? 1 : layout_.samples;
    block_width_ = layout_.width;
    TIFFGetFieldDefaulted(file.get(), TIFFTAG_ROWSPERSTRIP, &block_height_);
    if (tiled && (!TIFFGetField(file.get(), TIFFTAG_TILEWIDTH, &block_width_) ||
                  !TIFFGetField(file.get(), TIFFTAG_TILELENGTH, &block_height_))) {
      throw BadImage{"it does not say the size of its tiles"};
    }
    block_height_ = tiled ? block_height_ : std::min(block_height_, layout_.height);
    row_bytes_ = tiled ? TIFFTileRowSize64(file.get()) : TIFFScanlineSize64(file.get());
    const uint64_t needed = (uint64_t{block_width_} * samples_ * layout_.bits + 7) / 8;
    const uint64_t size = tiled ? TIFFTileSize64(file.get()) : TIFFStripSize64(file.get());
    if (block_width_ < 1 || block_height_ < 1 || row_bytes_ < needed || size > kLargestBlock ||
        size < row_bytes_ * block_height_) {
      throw BadImage{"its strips or tiles have no sensible size"};
    }
    blocks_.assign(static_cast<size_t>(planes_), std::vector<uint8_t>(size));
  }

  void decode() {
    for (uint32_t y = 0; y < layout_.height; y += block_height_) {
      for (uint32_t x = 0; x < layout_.width; x += block_width_) {
        for (int plane = 0; plane < planes_; ++plane) read_block(x, y, plane);
        convert_block(x, y);
      }
    }
  }

 private:
  void read_block(uint32_t x, uint32_t y, int plane) {
    std::vector<uint8_t>& block = blocks_[plane];
    const auto size = static_cast<tmsize_t>(block.size());
    TIFF* file = file_.get();
    const auto sample = static_cast<uint16_t>(plane);
    const tmsize_t read =
        TIFFIsTiled(file)
            ? TIFFReadEncodedTile(file, TIFFComputeTile(file, x, y, 0, sample), block.data(), size)
            : TIFFReadEncodedStrip(file, TIFFComputeStrip(file, y, sample), block.data(), size);
    const uint64_t rows =
        TIFFIsTiled(file) ? block_height_ : std::min(block_height_, layout_.height - y);
    if (read < 0 || static_cast<uint64_t>(read) < rows * row_bytes_) file_.fail();
  }

  void convert_block(uint32_t left, uint32_t top) {
    const uint32_t rows = std::min(block_height_, layout_.height - top);
    const uint32_t columns = std::min(block_width_, layout_.width - left);
    std::array<uint8_t, kMostSamples> samples{};
    for (uint32_t y = 0; y < rows; ++y) {
      uint8_t* out = &image_.rgb[((top + y) * uint64_t{layout_.width} + left) * 3];
      for (uint32_t x = 0; x < columns; ++x, out += 3) {
        for (int s = 0; s < to_rgb_.samples(); ++s) {
          const uint8_t* row = blocks_[planes_ > 1 ? s : 0].data() + y * row_bytes_;
          samples[s] = sample(row, uint64_t{x} * samples_ + (planes_ > 1 ? 0 : s));
        }
        to_rgb_.convert(samples.data(), out);
      }
    }
  }

  /// The sample in 8 bits: of 16 the high byte, of fewer the whole range, and of a palette the
  /// number.
  uint8_t sample(const uint8_t* row, uint64_t index) const {
    if (layout_.bits == 8) return row[index];
    if (layout_.bits == 16) {
      uint16_t value;
      std::memcpy(&value, row + index * 2, sizeof value);
      return static_cast<uint8_t>(value >> 8);
    }
    const uint64_t bit = index * layout_.bits;
    const int most = (1 << layout_.bits) - 1;
    const int value = row[bit / 8] >> (8 - layout_.bits - bit % 8) & most;
    return static_cast<uint8_t>(layout_.photometric == PHOTOMETRIC_PALETTE ? value
                                                                           : value * 255 / most);
  }

  const TiffFile& file_;
  const TiffLayout& layout_;
  ToRgb to_rgb_;
  Image& image_;
  int planes_ = 1, samples_ = 1;  ///< `samples_` in each plane.
  uint32_t block_width_ = 0, block_height_ = 0;
  uint64_t row_bytes_ = 0;
  std::vector<std::vector<uint8_t>> blocks_;  ///< Of each plane.
};

/// YCbCr that is not of the new JPEG compression is left to libtiff, as Pillow leaves it.
void decode_ycbcr(const TiffFile& file, Image* image) {
  const TiffLayout& layout = file.layout();
  std::vector<uint32_t> pixels(uint64_t{layout.width} * layout.height);
  if (!TIFFReadRGBAImageOriented(file.get(), layout.width, layout.height, pixels.data(),
                                 layout.orientation, /*stopOnError=*/1)) {
    file.fail();
  }
  uint8_t* out = image->rgb.data();
  for (const uint32_t pixel : pixels) {
    *out++ = TIFFGetR(pixel);
    *out++ = TIFFGetG(pixel);
    *out++ = TIFFGetB(pixel);
  }
}

void check_samples(const TiffLayout& layout) {
  if (layout.format != SAMPLEFORMAT_UINT &&
      !(layout.format == SAMPLEFORMAT_INT && layout.bits == 8)) {
    throw BadImage{"its samples are signed or floating-point numbers; convert it to 8 bits"};
  }
  for (const int bits : {1, 2, 4, 8, 16}) {
    if (layout.bits == bits) return;
  }
  throw BadImage{str("its samples have ", layout.bits, " bits; convert it to 8")};
}

}  // namespace

Info tiff_info(std::string_view bytes) {
  const TiffLayout layout = TiffFile(bytes).layout();
  return {layout.height, layout.width, layout.orientation};
}

Image decode_tiff(std::string_view bytes, const Info& info) {
  const TiffFile file(bytes);
  const TiffLayout& layout = file.layout();
  check_samples(layout);
  Image image{info.height, info.width, {}};
  image.rgb.resize(static_cast<size_t>(info.height * info.width * 3));
  const bool new_jpeg =
      layout.compression == COMPRESSION_JPEG && layout.planar == PLANARCONFIG_CONTIG;
  if (new_jpeg) TIFFSetField(file.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  if (layout.photometric == PHOTOMETRIC_YCBCR && layout.samples >= 3 && !new_jpeg) {
    decode_ycbcr(file, &image);
  } else {
    TiffDecoder(file, &image).decode();
  }
  return image;
}

}  // namespace sdxl::formats
