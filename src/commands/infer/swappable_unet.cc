#include "commands/infer/swappable_unet.h"

#include "base/error.h"
#include "base/files/files.h"
#include "io/model_files.h"
#include "io/pretrained.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {
namespace {

/// Whether weights of one config fit a UNet of the other. sample_size shapes no tensor.
bool has_same_architecture(const Json& a, const Json& b) {
  Json left = architecture_of(a), right = architecture_of(b);
  left.erase("sample_size");
  right.erase("sample_size");
  return left == right;
}

}  // namespace

SwappableUNet::SwappableUNet(fs::path pipeline_unet, std::string variant,
                             const Placement& placement, const LoraLibrary& loras)
    : pipeline_unet_(std::move(pipeline_unet)),
      variant_(std::move(variant)),
      placement_(placement),
      loras_(loras) {}

SwappableUNet::~SwappableUNet() = default;

fs::path SwappableUNet::directory(const WeightSet& set) const {
  return set.unet.empty() ? pipeline_unet_ : set.unet;
}

void SwappableUNet::load(const fs::path& directory) {
  const UNet2DConditionConfig config = read_unet_config(directory);
  const Weights weights = Weights::open(directory, kDiffusersStem, variant_);
  if (!unet_ || !has_same_architecture(unet_->config().json, config.json)) {
    merger_.reset();
    unet_.reset();  // memory holds one UNet at a time
    loaded_.clear();
    auto unet = std::make_shared<UNet2DConditionModel>(config);
    unet->load(weights, placement_);
    unet_ = std::move(unet);
  } else {
    unet_->load(weights, placement_);
  }
  loaded_ = directory;
  merger_ = std::make_unique<LoraMerger>(std::map<std::string, LoraMerger::Component>{
      {kUNetFolder, {unet_.get(), unet_->under_own_names(weights)}}});
}

const UNet2DConditionModel& SwappableUNet::use(const WeightSet& set, double factor) {
  const fs::path wanted = directory(set);
  if (wanted != loaded_) load(wanted);
  merger_->merge(loras_.of(set, factor));
  return *unet_;
}

void SwappableUNet::read_ahead(const WeightSet& set) {
  const fs::path wanted = directory(set);
  if (wanted == loaded_) return;
  reader_ = std::jthread([wanted, variant = variant_](const std::stop_token& stop) {
    try {
      Weights::open(wanted, kDiffusersStem, variant).prefetch([&] {
        return stop.stop_requested();
      });
    } catch (const Error&) {
      // use() reports it.
    }
  });
}

}  // namespace sdxl
