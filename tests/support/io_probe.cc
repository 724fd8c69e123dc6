// Runs src/io for tools/parity/io_check.py, which compares it with Pillow and the reference reader
// of safetensors. Reads one JSON object a line on stdin and writes one on stdout for each:
//   {"image": FILE, "resize": [H, W] or "shorter": S, "filter": NAME, "crop": [T, L, H, W],
//    "flip": true, "png": FILE to write}
//     gives {"size": [H, W] of the header, "height": H, "width": W, "sha256": of the pixels}
//   {"safetensors": FILE} gives {}
// On failure it writes {"error": MESSAGE, "status": EXIT STATUS}.
#include <iostream>

#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "io/images/decode.h"
#include "io/images/image.h"
#include "io/images/png.h"
#include "io/images/resize.h"
#include "io/safetensors.h"

namespace sdxl {
namespace {

Json probe_image(const Json& request) {
  const std::string path = request["image"];
  const std::string bytes = read_file(path);
  const auto [height, width] = image_size(bytes, path);
  Image image = decode_image(bytes, path);
  const ResizeFilter filter = resize_filter_from_name(request.value("filter", "lanczos"));
  if (request.contains("resize")) {
    image = resize(image, request["resize"][0], request["resize"][1], filter);
  }
  if (request.contains("shorter")) image = resize_shorter_side(image, request["shorter"], filter);
  if (request.value("flip", false)) image = flip_horizontally(image);
  if (request.contains("crop")) {
    const Json& box = request["crop"];
    image = crop(image, box[0], box[1], box[2], box[3]);
  }
  if (request.contains("png")) {
    write_file_atomically(request["png"].get<std::string>(), encode_png(image));
  }
  const std::string_view pixels(reinterpret_cast<const char*>(image.rgb.data()), image.rgb.size());
  return {{"size", {height, width}},
          {"height", image.height},
          {"width", image.width},
          {"sha256", sha256(pixels)}};
}

Json probe(const std::string& line) {
  try {
    const Json request = parse_json(line, "stdin");
    if (request.contains("image")) return probe_image(request);
    SafetensorsFile(request["safetensors"].get<std::string>()).tensors();
    return Json::object();
  } catch (const Error& error) {
    return {{"error", error.what()}, {"status", static_cast<int>(error.status())}};
  }
}

}  // namespace
}  // namespace sdxl

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << sdxl::probe(line).dump() << std::endl;
  }
}
