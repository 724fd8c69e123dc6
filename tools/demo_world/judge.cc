// The measuring: background from the border, coverage of each pixel by the one other colour, and
// the shape whose outline, moved and scaled, covers best what is covered.
#include "demo_world/judge.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace sdxl::world {
namespace {

constexpr int64_t kGrid = 40;          // fitting points a side
constexpr double kReach = 1.25;        // how far the grid reaches, in radii
constexpr double kLeastContrast = 40;  // of the shape against the background, in steps of 255
constexpr double kLeastMatch = 0.7;
constexpr double kLeastArea = 0.01;  // of the picture

/// How much of each pixel is covered, in the coordinates of the picture.
struct Coverage {
  int64_t height = 0, width = 0;
  std::vector<float> values;
  double total = 0;

  float at(int64_t y, int64_t x) const {
    return y < 0 || x < 0 || y >= height || x >= width ? 0.f : values[y * width + x];
  }
  /// Linear between pixel centres.
  double sample(double y, double x) const {
    y -= 0.5, x -= 0.5;
    const auto top = static_cast<int64_t>(std::floor(y)),
               left = static_cast<int64_t>(std::floor(x));
    const double v = y - top, u = x - left;
    return (1 - v) * ((1 - u) * at(top, left) + u * at(top, left + 1)) +
           v * ((1 - u) * at(top + 1, left) + u * at(top + 1, left + 1));
  }
};

struct Box {
  int64_t top, left, bottom, right;  // bottom and right excluded
  int64_t area = 0;                  // pixels of the component
};

Colour pixel(const Image& image, int64_t y, int64_t x) {
  const uint8_t* p = &image.rgb[(y * image.width + x) * 3];
  return {double(p[0]), double(p[1]), double(p[2])};
}

double distance(const Colour& a, const Colour& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/// The median of the pixels along the border, channel by channel.
Colour border_colour(const Image& image) {
  std::array<std::vector<double>, 3> channels;
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      if (y > 0 && x > 0 && y < image.height - 1 && x < image.width - 1) continue;
      const Colour colour = pixel(image, y, x);
      for (int c = 0; c < 3; ++c) channels[c].push_back(colour[c]);
    }
  }
  Colour median;
  for (int c = 0; c < 3; ++c) {
    auto middle = channels[c].begin() + channels[c].size() / 2;
    std::nth_element(channels[c].begin(), middle, channels[c].end());
    median[c] = *middle;
  }
  return median;
}

/// The mean of the pixels that differ most from the background: the 1 % that do, and all that come
/// near them.
Colour standing_out(const Image& image, const Colour& background) {
  std::vector<std::pair<double, Colour>> pixels;
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      const Colour colour = pixel(image, y, x);
      pixels.emplace_back(distance(colour, background), colour);
    }
  }
  auto rank = pixels.begin() + static_cast<int64_t>(kLeastArea * pixels.size());
  std::nth_element(pixels.begin(), rank, pixels.end(), std::greater<>());
  const double least = 0.85 * rank->first;
  Colour sum{};
  double count = 0;
  for (const auto& [far, colour] : pixels) {
    if (far < least) continue;
    for (int c = 0; c < 3; ++c) sum[c] += colour[c];
    ++count;
  }
  for (double& value : sum) value /= count;
  return sum;
}

Coverage measure_coverage(const Image& image, const Colour& background, const Colour& foreground) {
  Coverage coverage{image.height, image.width, std::vector<float>(image.height * image.width), 0};
  const double square = std::pow(distance(foreground, background), 2);
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      const Colour colour = pixel(image, y, x);
      double along = 0;
      for (int c = 0; c < 3; ++c) {
        along += (colour[c] - background[c]) * (foreground[c] - background[c]);
      }
      const double share = std::clamp(along / square, 0.0, 1.0);
      // Faint traces are no shape.
      const float value = share < 0.15 ? 0.f : static_cast<float>(share);
      coverage.values[y * image.width + x] = value;
      coverage.total += value;
    }
  }
  return coverage;
}

/// The box of the component with the most pixels that are at least half covered.
Box largest_component(const Coverage& coverage) {
  std::vector<char> visited(coverage.values.size());
  Box best{0, 0, 0, 0, 0};
  for (size_t start = 0; start < visited.size(); ++start) {
    if (visited[start] || coverage.values[start] < 0.5f) continue;
    Box box{coverage.height, coverage.width, 0, 0, 0};
    std::vector<size_t> open{start};
    visited[start] = 1;
    while (!open.empty()) {
      const int64_t y = open.back() / coverage.width, x = open.back() % coverage.width;
      open.pop_back();
      box = {std::min(box.top, y), std::min(box.left, x), std::max(box.bottom, y + 1),
             std::max(box.right, x + 1), box.area + 1};
      for (int64_t dy = -1; dy <= 1; ++dy) {
        for (int64_t dx = -1; dx <= 1; ++dx) {
          if (coverage.at(y + dy, x + dx) < 0.5f) continue;
          const size_t next = (y + dy) * coverage.width + x + dx;
          if (!std::exchange(visited[next], 1)) open.push_back(next);
        }
      }
    }
    if (box.area > best.area) best = box;
  }
  return best;
}

/// The place of grid point i along one axis, in radii from the centre.
double grid_point(int64_t i) { return (2.0 * (i + 0.5) / kGrid - 1) * kReach; }

/// What of each grid cell the shape covers, from 4 x 4 points in it.
std::vector<float> rasterise(const Shape& shape) {
  constexpr int kFine = 4;
  std::vector<float> grid(kGrid * kGrid);
  for (int64_t i = 0; i < kGrid * kGrid * kFine * kFine; ++i) {
    const int64_t cell = i / (kFine * kFine), fine = i % (kFine * kFine);
    const double y = (cell / kGrid) + (fine / kFine + 0.5) / kFine - 0.5;
    const double x = (cell % kGrid) + (fine % kFine + 0.5) / kFine - 0.5;
    const Point point{(2 * (x + 0.5) / kGrid - 1) * kReach, (2 * (y + 0.5) / kGrid - 1) * kReach};
    grid[cell] += inside(shape, point) ? 1.f / (kFine * kFine) : 0.f;
  }
  return grid;
}

struct Placing {
  double y, x, radius;
};

/// The picture's coverage on the fitting grid.
std::vector<float> sample_grid(const Coverage& coverage, const Placing& placing) {
  std::vector<float> grid(kGrid * kGrid);
  for (int64_t i = 0; i < kGrid; ++i) {
    for (int64_t j = 0; j < kGrid; ++j) {
      grid[i * kGrid + j] = static_cast<float>(coverage.sample(
          placing.y + grid_point(i) * placing.radius, placing.x + grid_point(j) * placing.radius));
    }
  }
  return grid;
}

/// Common over united coverage; `outside` is what the picture has beyond the grid, in cells.
double overlap(const std::vector<float>& picture, const std::vector<float>& shape, double outside) {
  double common = 0, united = outside;
  for (size_t i = 0; i < picture.size(); ++i) {
    common += std::min(picture[i], shape[i]);
    united += std::max(picture[i], shape[i]);
  }
  return common / united;
}

/// Sizes and shifts around the component's box: blurred tips make the box too small.
std::vector<Placing> placings_around(const Box& box) {
  const double radius = std::max(box.bottom - box.top, box.right - box.left) / 2.0;
  std::vector<Placing> placings;
  for (double scale : {0.94, 1.0, 1.06, 1.12, 1.2}) {
    for (double dy : {-0.1, 0.0, 0.1}) {
      for (double dx : {-0.1, 0.0, 0.1}) {
        placings.push_back({(box.top + box.bottom) / 2.0 + dy * radius,
                            (box.left + box.right) / 2.0 + dx * radius, radius * scale});
      }
    }
  }
  return placings;
}

template <typename T, typename Distance>
std::string nearest_name(const std::map<std::string, T>& table, const Distance& distance_to) {
  std::string best;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [name, value] : table) {
    const double far = distance_to(value);
    if (far < least) least = far, best = name;
  }
  return best;
}

}  // namespace

Judge::Judge(World world) : world_(std::move(world)) {
  for (const auto& [name, shape] : world_.shapes) templates_[name] = rasterise(shape);
}

Seen Judge::look_at(const Image& picture) const {
  Seen seen;
  // 1. The two colours.
  const Colour background = border_colour(picture);
  const Colour foreground = standing_out(picture, background);
  seen.background =
      nearest_name(world_.backgrounds, [&](const Colour& c) { return distance(c, background); });
  if (distance(foreground, background) < kLeastContrast) return seen;
  seen.colour =
      nearest_name(world_.colours, [&](const Colour& c) { return distance(c, foreground); });

  // 2. Where something is.
  const Coverage coverage = measure_coverage(picture, background, foreground);
  const Box box = largest_component(coverage);
  if (box.area < kLeastArea * coverage.values.size()) return {"", "", "", "", seen.background, 0};

  // 3. The shape that covers it best.
  Placing best{};
  for (const Placing& placing : placings_around(box)) {
    const std::vector<float> grid = sample_grid(coverage, placing);
    double on_grid = 0;
    for (float value : grid) on_grid += value;
    const double cell = 2 * kReach * placing.radius / kGrid;
    const double outside = std::max(0.0, coverage.total / (cell * cell) - on_grid);
    for (const auto& [name, shape] : templates_) {
      const double match = overlap(grid, shape, outside);
      if (match > seen.match) seen.match = match, seen.shape = name, best = placing;
    }
  }
  if (seen.match < kLeastMatch) seen.shape.clear();

  // 4. Its size and place, in the world's pixels.
  const double scale = static_cast<double>(picture.width) / world_.side;
  seen.size = nearest_name(world_.sizes,
                           [&](double radius) { return std::abs(radius - best.radius / scale); });
  seen.place = nearest_name(world_.places, [&](const Point& p) {
    return std::hypot(p[0] - best.x / scale, p[1] - best.y / scale);
  });
  return seen;
}

}  // namespace sdxl::world
