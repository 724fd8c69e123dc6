#include "data/aspect_buckets.h"

#include <algorithm>
#include <cmath>

namespace sdxl {

std::vector<PixelSize> aspect_buckets(int64_t resolution) {
  const int64_t step = std::max<int64_t>(8, std::min<int64_t>(64, resolution / 4 / 8 * 8));
  const int64_t least = (resolution + 1) / 2;
  std::vector<PixelSize> buckets;
  for (int64_t side = (least + step - 1) / step * step; side <= 2 * resolution; side += step) {
    const int64_t other = resolution * resolution / side / step * step;
    if (other < least) continue;
    buckets.push_back({side, other});
    buckets.push_back({other, side});
  }
  const auto by_sides = [](const PixelSize& a, const PixelSize& b) {
    return std::pair(a.height, a.width) < std::pair(b.height, b.width);
  };
  std::sort(buckets.begin(), buckets.end(), by_sides);
  buckets.erase(std::unique(buckets.begin(), buckets.end()), buckets.end());
  return buckets;
}

size_t nearest_bucket(const std::vector<PixelSize>& buckets, PixelSize picture) {
  const auto log_ratio = [](PixelSize size) {
    return std::log(static_cast<double>(size.width) / static_cast<double>(size.height));
  };
  const double wanted = log_ratio(picture);
  size_t best = 0;
  for (size_t i = 1; i < buckets.size(); ++i) {
    const double nearer =
        std::abs(log_ratio(buckets[best]) - wanted) - std::abs(log_ratio(buckets[i]) - wanted);
    const bool larger =
        buckets[i].height * buckets[i].width > buckets[best].height * buckets[best].width;
    if (nearer > 0 || (nearer == 0 && larger)) best = i;
  }
  return best;
}

}  // namespace sdxl
