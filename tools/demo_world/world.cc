// Reads world.json.
#include "demo_world/world.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace sdxl::world {
namespace {

template <typename T>
std::map<std::string, T> table(const Json& json, const std::string& key,
                               const std::string& source) {
  const Json found = json_value<Json>(json, key, Json::object(), source);
  if (!found.is_object() || found.empty()) {
    throw Error(ExitStatus::kBadData, str(source, ": ", key, " must be an object with entries"));
  }
  std::map<std::string, T> values;
  for (const auto& item : found.items()) {
    values[item.key()] = json_value<T>(found, item.key(), T{}, source);
  }
  return values;
}

}  // namespace

World read_world(const std::filesystem::path& path) {
  const Json json = read_json(path);
  const std::string source = path.string();
  World world;
  world.side = json_value<int64_t>(json, "side", 64, source);
  world.sizes = table<double>(json, "sizes", source);
  world.places = table<Point>(json, "places", source);
  world.colours = table<Colour>(json, "colours", source);
  world.backgrounds = table<Colour>(json, "backgrounds", source);
  world.shapes = table<Shape>(json, "shapes", source);
  return world;
}

bool inside(const Shape& shape, const Point& point) {
  bool odd = false;
  for (const auto& outline : shape) {
    for (size_t i = 0, j = outline.size() - 1; i < outline.size(); j = i++) {
      const Point &a = outline[i], &b = outline[j];
      if ((a[1] > point[1]) == (b[1] > point[1])) continue;
      odd ^= point[0] < (b[0] - a[0]) * (point[1] - a[1]) / (b[1] - a[1]) + a[0];
    }
  }
  return odd;
}

}  // namespace sdxl::world
