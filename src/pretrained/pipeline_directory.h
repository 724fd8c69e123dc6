// The parts of a model that commands load in common: what lies where in a pipeline directory of
// diffusers, and at which precision each part runs.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>

#include "base/json.h"
#include "conditioning/prompt_encoder.h"
#include "models/autoencoder_kl.h"
#include "models/quantised_linear.h"
#include "models/unet_2d_condition.h"

namespace sdxl {

/// A pipeline directory: model_index.json and a folder for each part.
class PipelineDirectory {
 public:
  /// Error(kBadData) if `directory` is no pipeline of the class StableDiffusionXLPipeline.
  PipelineDirectory(const std::filesystem::path& directory, std::string variant);

  const std::filesystem::path& root() const { return root_; }
  const Json& index() const { return index_; }
  /// Whether an absent negative prompt stands for zeros.
  bool force_zeros_for_empty_prompt() const;

  Json scheduler_config() const;
  std::string scheduler_config_source() const;
  PromptEncoder prompt_encoder(const Placement& placement) const;
  /// Number 1 or 2; read once and kept, so not the same from several threads.
  std::shared_ptr<const Tokenizer> tokenizer(int number) const;
  std::shared_ptr<CLIPTextModel> text_encoder(int number, const Placement& placement) const;
  Weights text_encoder_weights(int number) const;
  /// Its modules and their names without weights.
  std::shared_ptr<CLIPTextModel> empty_text_encoder(int number) const;
  std::shared_ptr<AutoencoderKL> vae(const Placement& placement, bool with_encoder,
                                     bool with_decoder) const;
  std::shared_ptr<UNet2DConditionModel> unet(const Placement& placement) const;
  /// The folder of a part; Error(kBadData) if there is none.
  std::filesystem::path part(const std::string& name) const;

 private:
  std::filesystem::path root_;
  std::string variant_;
  Json index_;
  mutable std::array<std::shared_ptr<const Tokenizer>, 2> tokenizers_;
};

/// The config of a part in its own directory; Error(kBadData) where it is another part's.
UNet2DConditionConfig read_unet_config(const std::filesystem::path& directory);
AutoencoderKLConfig read_vae_config(const std::filesystem::path& directory);
/// That of text_encoder or, with the projection, of text_encoder_2.
CLIPTextConfig read_text_encoder_config(const std::filesystem::path& directory,
                                        bool with_projection);

/// A UNet from a directory of its own (--unet, checkpoint-N/unet).
std::shared_ptr<UNet2DConditionModel> load_unet(const std::filesystem::path& directory,
                                                const std::string& variant,
                                                const Placement& placement);

/// The same with the linear layers of its transformers quantised one by one as they are read.
std::shared_ptr<UNet2DConditionModel> load_quantised_unet(const std::filesystem::path& directory,
                                                          const std::string& variant,
                                                          const Placement& placement,
                                                          QuantisedFormat format);

/// A VAE from a directory of its own (--pretrained_vae_model_name_or_path) or of a pipeline.
std::shared_ptr<AutoencoderKL> load_vae(const std::filesystem::path& directory,
                                        const std::string& variant, Placement placement,
                                        bool with_encoder, bool with_decoder);

/// --mixed_precision as the dtype of frozen parts: no is float32.
at::ScalarType compute_dtype(const std::string& mixed_precision);

/// The dtype that a VAE runs in: never fp16 where its config says force_upcast.
at::ScalarType vae_dtype(const AutoencoderKLConfig& config, at::ScalarType compute);

}  // namespace sdxl
