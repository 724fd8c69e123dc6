// The UNet of an infer run. Its weights are replaced in place from one weight set to the next.
#pragma once

#include <filesystem>
#include <memory>
#include <thread>

#include "commands/infer/lora_library.h"
#include "commands/infer/weight_sets.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {

class SwappableUNet {
 public:
  /// Sets without a UNet use that of `pipeline_unet`, a directory. `loras` outlives the object.
  SwappableUNet(std::filesystem::path pipeline_unet, std::string variant,
                const Placement& placement, const LoraLibrary& loras);
  ~SwappableUNet();

  /// Returns the UNet with the weights of `set`, its LoRAs scaled by `factor` besides their own
  /// scales. Between sets with the same UNet only adapted layers change. Error(kBadData) leaves the
  /// UNet as it was.
  const UNet2DConditionModel& use(const WeightSet& set, double factor);
  /// Starts to read the files of `set` into the page cache on a thread. Errors are left to use().
  void read_ahead(const WeightSet& set);

 private:
  std::filesystem::path directory(const WeightSet& set) const;
  void load(const std::filesystem::path& directory);

  std::filesystem::path pipeline_unet_;
  std::string variant_;
  Placement placement_;
  const LoraLibrary& loras_;
  std::filesystem::path loaded_;
  std::shared_ptr<UNet2DConditionModel> unet_;
  std::unique_ptr<LoraMerger> merger_;
  std::jthread reader_;
};

}  // namespace sdxl
