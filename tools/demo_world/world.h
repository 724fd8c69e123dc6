// The small world of drawn pictures as tools/demo_world/world.json describes it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace sdxl::world {

using Point = std::array<double, 2>;   ///< x to the right, y down.
using Colour = std::array<double, 3>;  ///< Red, green, blue from 0 to 255.

/// Outlines in units of the shape's radius around its centre, filled by the even-odd rule.
using Shape = std::vector<std::vector<Point>>;

struct World {
  int64_t side = 0;                     ///< Pixels a side of a picture.
  std::map<std::string, double> sizes;  ///< Radius in pixels.
  std::map<std::string, Point> places;  ///< Centre in pixels.
  std::map<std::string, Colour> colours, backgrounds;
  std::map<std::string, Shape> shapes;
};

/// Error(kBadData) names the file and the key.
World read_world(const std::filesystem::path& path);

/// Whether a point in the shape's own units lies inside.
bool inside(const Shape& shape, const Point& point);

}  // namespace sdxl::world
