// What the tests of src/data share: a directory that goes away with the test, and pictures by
// formula.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "data/dataset.h"
#include "io/image.h"

namespace sdxl {

/// A fresh directory, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    static std::atomic<int> count{0};
    path_ = fs::temp_directory_path() /
            ("sdxl-data-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    fs::create_directories(path_);
  }
  ~TemporaryDirectory() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  void write(const std::string& name, std::string_view bytes) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }

 private:
  fs::path path_;
};

/// The options of a data set in this directory.
inline DatasetOptions in(const TemporaryDirectory& directory) {
  DatasetOptions options;
  options.path = directory.path().string();
  return options;
}

/// The picture of tools/reference/transforms.py; `shade` makes others of it.
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

/// The message of the Error that `action` throws; "" (and a failure) if it throws none.
template <typename Action>
std::string error_of(Action action, ExitStatus status = ExitStatus::kBadData) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(int(error.status()), int(status)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

inline const Json& transform_reference() {
  static const Json json = read_json(fs::path(SDXL_TEST_DATA) / "transforms/cases.json");
  return json;
}

}  // namespace sdxl
