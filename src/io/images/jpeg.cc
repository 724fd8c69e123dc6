// Decodes JPEG by libjpeg-turbo, as Pillow does, with the same pixels.
#include <cstddef>
#include <cstdio>
// jpeglib.h needs these two.
#include <jpeglib.h>
#include <setjmp.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/text.h"
#include "io/images/exif.h"
#include "io/images/image_formats.h"

namespace sdxl::formats {
namespace {

/// Limits the passes over the image that a hostile file can ask for.
constexpr int kMaxScans = 500;

/// libjpeg reports errors to a function that must not return, which longjmps back into the member
/// function that called libjpeg. Those functions must hold no object with a destructor.
class JpegDecoder {
 public:
  explicit JpegDecoder(std::string_view bytes) {
    info_.err = jpeg_std_error(&error_);
    info_.client_data = this;
    error_.error_exit = [](j_common_ptr info) { of(info).fail(nullptr); };
    error_.output_message = [](j_common_ptr) {};
    jpeg_create_decompress(&info_);

    source_.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
    source_.bytes_in_buffer = bytes.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.term_source = [](j_decompress_ptr) {};
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.fill_input_buffer = [](j_decompress_ptr info) -> boolean {
      of(reinterpret_cast<j_common_ptr>(info)).fail("the file is cut short");
    };
    source_.skip_input_data = [](j_decompress_ptr info, long count) {
      if (count <= 0) return;
      const size_t step = std::min<size_t>(count, info->src->bytes_in_buffer);
      info->src->next_input_byte += step;
      info->src->bytes_in_buffer -= step;
    };
    info_.src = &source_;

    progress_.progress_monitor = [](j_common_ptr info) {
      if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) {
        of(info).fail("it has more than 500 scans");
      }
    };
    info_.progress = &progress_;
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  /// False on an error, which message() describes.
  bool read_header() {
    if (setjmp(jump_) != 0) return false;
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  /// Fills height * width * 3 bytes. False on an error.
  bool read_pixels(uint8_t* rgb) {
    if (setjmp(jump_) != 0) return false;
    const bool cmyk = info_.num_components == 4;
    info_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    JSAMPARRAY buffer = nullptr;
    if (cmyk) {
      buffer = info_.mem->alloc_sarray(reinterpret_cast<j_common_ptr>(&info_), JPOOL_IMAGE,
                                       info_.output_width * 4, 1);
    }
    while (info_.output_scanline < info_.output_height) {
      uint8_t* row = rgb + size_t{info_.output_scanline} * info_.output_width * 3;
      JSAMPROW target = cmyk ? buffer[0] : row;
      jpeg_read_scanlines(&info_, &target, 1);
      if (cmyk) cmyk_to_rgb(target, info_.output_width, row);
    }
    return true;
  }

  const jpeg_decompress_struct& info() const { return info_; }
  const char* message() const { return message_; }

 private:
  static JpegDecoder& of(j_common_ptr info) {
    return *static_cast<JpegDecoder*>(info->client_data);
  }

  [[noreturn]] void fail(const char* message) {
    if (message != nullptr) {
      std::strncpy(message_, message, sizeof message_ - 1);
    } else {
      error_.format_message(reinterpret_cast<j_common_ptr>(&info_), message_);
    }
    longjmp(jump_, 1);
  }

  /// Treats every image of four components as Adobe's inverted CMYK, as Pillow does:
  /// (255 - K) * (255 - C) / 255 in Pillow's rounding.
  static void cmyk_to_rgb(const uint8_t* cmyk, size_t width, uint8_t* rgb) {
    for (size_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
      const int white = cmyk[3];
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - cmyk[c]) * white + 128;
        rgb[c] = static_cast<uint8_t>(std::clamp(white - ((product >> 8) + product) / 256, 0, 255));
      }
    }
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr error_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  jmp_buf jump_;
  char message_[JMSG_LENGTH_MAX] = {};
};

void read_header(JpegDecoder& decoder) {
  if (!decoder.read_header()) throw BadImage{decoder.message()};
  const int components = decoder.info().num_components;
  if (components != 1 && components != 3 && components != 4) {
    throw BadImage{str("it has ", components, " components instead of 1, 3 or 4")};
  }
}

int jpeg_orientation(const jpeg_decompress_struct& info) {
  constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
  std::string exif;
  std::string_view xmp;
  for (auto* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (data.starts_with(kExif)) exif += data.substr(kExif.size());
    if (data.starts_with(kXmp)) xmp = data.substr(kXmp.size());
  }
  return orientation_of(exif, xmp);
}

}  // namespace

Info jpeg_info(std::string_view bytes) {
  JpegDecoder decoder(bytes);
  read_header(decoder);
  const auto& info = decoder.info();
  return {info.image_height, info.image_width, jpeg_orientation(info)};
}

Image decode_jpeg(std::string_view bytes, const Info& size) {
  JpegDecoder decoder(bytes);
  read_header(decoder);
  Image image{size.height, size.width, {}};
  image.rgb.resize(static_cast<size_t>(size.height * size.width * 3));
  if (!decoder.read_pixels(image.rgb.data())) throw BadImage{decoder.message()};
  return image;
}

}  // namespace sdxl::formats
