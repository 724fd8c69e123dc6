// What the tests of src/data share: images by formula and the options of a data set.
#pragma once

#include <string>

#include "base/files/files.h"
#include "base/json.h"
#include "data/dataset.h"
#include "io/images/image.h"
#include "io/images/png.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {

using test::TemporaryDirectory;

/// Options for the data set in `directory`.
inline DatasetOptions in(const TemporaryDirectory& directory) {
  DatasetOptions options;
  options.path = directory.path().string();
  return options;
}

/// The image of tools/reference/transforms.py; another `shade` gives another image.
inline Image formula_image(int64_t height, int64_t width, int64_t shade = 0) {
  Image image{height, width, std::vector<uint8_t>(height * width * 3)};
  size_t i = 0;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        image.rgb[i++] = static_cast<uint8_t>(37 * y + 101 * x + 59 * c + x * y % 251 + shade);
      }
    }
  }
  return image;
}

inline std::string formula_png(int64_t height, int64_t width, int64_t shade = 0) {
  return encode_png(formula_image(height, width, shade));
}

inline const Json& transform_reference() {
  static const Json json = read_json(fs::path(SDXL_TEST_DATA) / "transforms/cases.json");
  return json;
}

}  // namespace sdxl
