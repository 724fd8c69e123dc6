// Exchanging the weights of a UNet.
#include "commands/infer/swappable_unet.h"

#include "base/error.h"
#include "base/files.h"
#include "io/pretrained.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {
namespace {

constexpr const char* kStem = "diffusion_pytorch_model";

/// What shapes the arithmetic: the config without its notes and the size it was trained at.
Json architecture(const Json& config) {
  Json result = Json::object();
  for (const auto& [key, value] : config.items()) {
    if (key.rfind('_', 0) != 0 && key != "sample_size") result[key] = value;
  }
  return result;
}

}  // namespace

UNetSwitch::UNetSwitch(fs::path own, std::string variant, const Placement& placement,
                       const LoraLibrary& loras)
    : own_(std::move(own)), variant_(std::move(variant)), placement_(placement), loras_(loras) {}

UNetSwitch::~UNetSwitch() = default;

fs::path UNetSwitch::directory(const WeightSet& set) const {
  return set.unet.empty() ? own_ : set.unet;
}

void UNetSwitch::load(const fs::path& directory) {
  const UNet2DConditionConfig config = read_unet_config(directory);
  const Weights weights = Weights::open(directory, kStem, variant_);
  if (!unet_ || architecture(unet_->config().json) != architecture(config.json)) {
    merger_.reset();
    unet_.reset();  // Before the next comes, so that memory holds one.
    loaded_.clear();
    auto unet = std::make_shared<UNet2DConditionModel>(config);
    unet->load(weights, placement_);
    unet_ = std::move(unet);
  } else {
    unet_->load(weights, placement_);
  }
  loaded_ = directory;
  merger_ = std::make_unique<LoraMerger>(std::map<std::string, LoraMerger::Component>{
      {"unet", {unet_.get(), unet_->under_own_names(weights)}}});
}

const UNet2DConditionModel& UNetSwitch::use(const WeightSet& set, double factor) {
  const fs::path wanted = directory(set);
  if (wanted != loaded_) load(wanted);
  merger_->merge(loras_.of(set, factor));
  return *unet_;
}

void UNetSwitch::read_ahead(const WeightSet& set) {
  const fs::path wanted = directory(set);
  if (wanted == loaded_) return;
  reader_ = std::jthread([wanted, variant = variant_](const std::stop_token& stop) {
    try {
      Weights::open(wanted, kStem, variant).prefetch([&] { return stop.stop_requested(); });
    } catch (const Error&) {
      // Reported when the weights are wanted.
    }
  });
}

}  // namespace sdxl
