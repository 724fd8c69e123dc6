// Measures what a picture of the small world shows: the shape, its colour, size and place, and the
// background, from pixels alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "demo_world/world.h"
#include "io/images/image.h"

namespace sdxl::world {

struct Seen {
  /// Names of the world's tables; all but background are "" where nothing stands out, and shape is
  /// "" where what stands out is like none of the shapes.
  std::string shape, colour, size, place, background;
  double match = 0;  ///< Of the best shape: common over united coverage, from 0 to 1.
};

class Judge {
 public:
  explicit Judge(World world);

  /// A picture of any size; it is measured as if it were the world's size.
  Seen look_at(const Image& picture) const;

 private:
  World world_;
  std::map<std::string, std::vector<float>> templates_;  ///< Coverage on the fitting grid.
};

}  // namespace sdxl::world
