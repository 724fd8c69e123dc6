#include "training/run/run_files.h"

#include <array>
#include <charconv>
#include <cinttypes>
#include <cstdio>

#include "base/text.h"

namespace sdxl {
namespace {

constexpr std::string_view kCheckpointPrefix = "checkpoint-";
constexpr std::string_view kDoomedPrefix = ".tmp-pruned-";

}  // namespace

std::string checkpoint_name(int64_t step) { return str(kCheckpointPrefix, step); }

std::optional<int64_t> checkpoint_step(std::string_view name) {
  if (!name.starts_with(kCheckpointPrefix)) return std::nullopt;
  name.remove_prefix(kCheckpointPrefix.size());
  int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, step);
  if (error != std::errc() || stop != end || step < 0) return std::nullopt;
  return step;
}

std::string doomed_name(std::string_view checkpoint) { return str(kDoomedPrefix, checkpoint); }

bool is_doomed_name(std::string_view name) { return name.starts_with(kDoomedPrefix); }

std::string step_pictures(int64_t step) { return str(kValidationFolder, "/step-", step); }

std::string picture_name(size_t index, uint64_t seed) {
  std::array<char, 64> name;
  std::snprintf(name.data(), name.size(), "%05zu_%" PRIu64 ".png", index, seed);
  return name.data();
}

}  // namespace sdxl
