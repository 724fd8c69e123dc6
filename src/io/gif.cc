// GIF by giflib: the first frame on its canvas, as Pillow shows it. What the frame leaves free has
// the transparent colour, or colour 0 if there is none.
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/text.h"
#include "io/image_formats.h"

namespace sdxl::formats {
namespace {

struct CloseGif {
  void operator()(GifFileType* file) const { DGifCloseFile(file, nullptr); }
};

struct GifBytes {
  std::string_view rest;
};

int read_gif(GifFileType* file, GifByteType* to, int count) {
  std::string_view& rest = static_cast<GifBytes*>(file->UserData)->rest;
  const size_t length = std::min(rest.size(), static_cast<size_t>(count));
  std::memcpy(to, rest.data(), length);
  rest.remove_prefix(length);
  return static_cast<int>(length);
}

[[noreturn]] void refuse_gif(int code) {
  const char* reason = GifErrorString(code);
  throw BadImage{str("its first frame is damaged or cut short: ", reason ? reason : "unknown")};
}

/// A GIF read up to the pixels of its first frame.
class FirstFrame {
 public:
  explicit FirstFrame(std::string_view bytes) : bytes_{bytes} {
    int code = 0;
    file_.reset(DGifOpen(&bytes_, read_gif, &code));
    if (!file_) refuse_gif(code);
    find_frame();
  }

  const GifImageDesc& place() const { return file_->Image; }
  int64_t height() const {
    return std::max<int64_t>(file_->SHeight, int64_t{place().Top} + place().Height);
  }
  int64_t width() const {
    return std::max<int64_t>(file_->SWidth, int64_t{place().Left} + place().Width);
  }
  /// The colour of what the frame leaves free.
  uint8_t background() const { return background_; }

  /// The colours in use; gray ones without a table, and black behind a short one.
  std::array<std::array<uint8_t, 3>, 256> palette() const {
    const ColorMapObject* map = place().ColorMap ? place().ColorMap : file_->SColorMap;
    std::array<std::array<uint8_t, 3>, 256> colors{};
    for (int i = 0; i < 256; ++i) {
      const auto gray = static_cast<uint8_t>(map && !is_gray_ramp(*map) ? 0 : i);
      colors[i] = {gray, gray, gray};
    }
    for (int i = 0; map && i < std::min(map->ColorCount, 256); ++i) {
      colors[i] = {map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue};
    }
    return colors;
  }

  /// Reads the next row of the frame: `place().Width` colour numbers.
  void read_row(uint8_t* to) {
    if (DGifGetLine(file_.get(), to, place().Width) == GIF_ERROR) refuse_gif(file_->Error);
  }

 private:
  void find_frame() {
    while (true) {
      GifRecordType type = UNDEFINED_RECORD_TYPE;
      if (DGifGetRecordType(file_.get(), &type) == GIF_ERROR) refuse_gif(file_->Error);
      if (type == TERMINATE_RECORD_TYPE) throw BadImage{"it has no frame"};
      if (type == IMAGE_DESC_RECORD_TYPE) break;
      if (type == EXTENSION_RECORD_TYPE) read_extension();
    }
    if (DGifGetImageDesc(file_.get()) == GIF_ERROR) refuse_gif(file_->Error);
  }

  void read_extension() {
    int code = 0;
    GifByteType* block = nullptr;
    int status = DGifGetExtension(file_.get(), &code, &block);
    while (status != GIF_ERROR && block) {
      GraphicsControlBlock control;
      if (code == GRAPHICS_EXT_FUNC_CODE &&
          DGifExtensionToGCB(block[0], block + 1, &control) != GIF_ERROR &&
          control.TransparentColor != NO_TRANSPARENT_COLOR) {
        background_ = static_cast<uint8_t>(control.TransparentColor);
      }
      status = DGifGetExtensionNext(file_.get(), &block);
    }
    if (status == GIF_ERROR) refuse_gif(file_->Error);
  }

  static bool is_gray_ramp(const ColorMapObject& map) {
    for (int i = 0; i < map.ColorCount; ++i) {
      const GifColorType& color = map.Colors[i];
      if (color.Red != i || color.Green != i || color.Blue != i) return false;
    }
    return true;
  }

  GifBytes bytes_;
  std::unique_ptr<GifFileType, CloseGif> file_;
  uint8_t background_ = 0;
};

}  // namespace

Info gif_info(std::string_view bytes) {
  const FirstFrame frame(bytes);
  return {frame.height(), frame.width(), 1};
}

Image decode_gif(std::string_view bytes, const Info& info) {
  FirstFrame frame(bytes);
  const auto palette = frame.palette();
  const GifImageDesc& place = frame.place();
  Image image{info.height, info.width, {}};
  image.rgb.resize(static_cast<size_t>(info.height * info.width * 3));
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    image.rgb[i] = palette[frame.background()][i % 3];
  }

  // Interlaced rows come in four passes: first row and step of each.
  constexpr int kPasses[4][2] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
  std::vector<uint8_t> row(static_cast<size_t>(place.Width));
  for (int pass = 0; pass < (place.Interlace ? 4 : 1); ++pass) {
    const int first = place.Interlace ? kPasses[pass][0] : 0;
    const int step = place.Interlace ? kPasses[pass][1] : 1;
    for (int y = first; y < place.Height; y += step) {
      frame.read_row(row.data());
      uint8_t* out = &image.rgb[((place.Top + y) * info.width + place.Left) * 3];
      for (const uint8_t color : row) out = std::copy_n(palette[color].begin(), 3, out);
    }
  }
  return image;
}

}  // namespace sdxl::formats
