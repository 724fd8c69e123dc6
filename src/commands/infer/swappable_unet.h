// The one UNet of an infer run, whose weights are exchanged in place from one set to the next.
#pragma once

#include <filesystem>
#include <memory>
#include <thread>

#include "commands/infer/lora_library.h"
#include "commands/infer/weight_sets.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {

class UNetSwitch {
 public:
  /// `own` is the pipeline's UNet directory, for sets that bring none. `loras` outlives this.
  UNetSwitch(std::filesystem::path own, std::string variant, const Placement& placement,
             const LoraLibrary& loras);
  ~UNetSwitch();

  /// The UNet with the weights of `set`, its LoRAs at `factor` of their scales. What stays the same
  /// is left as it is: between sets of one UNet only adapted layers change. Error(kBadData) leaves
  /// the UNet as it was.
  const UNet2DConditionModel& use(const WeightSet& set, double factor);
  /// Reads the files of `set` into the page cache while something else computes. A set whose files
  /// cannot be read fails in use() alone.
  void read_ahead(const WeightSet& set);

 private:
  std::filesystem::path directory(const WeightSet& set) const;
  void load(const std::filesystem::path& directory);

  std::filesystem::path own_;
  std::string variant_;
  Placement placement_;
  const LoraLibrary& loras_;
  std::filesystem::path loaded_;
  std::shared_ptr<UNet2DConditionModel> unet_;
  std::unique_ptr<LoraMerger> merger_;
  std::jthread reader_;
};

}  // namespace sdxl
