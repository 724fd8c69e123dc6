// Loads the parts of a pipeline directory in diffusers' layout, and says in which dtype each runs.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>

#include "base/json.h"
#include "conditioning/prompt_encoder.h"
#include "lora/layer_names.h"
#include "models/autoencoder_kl.h"
#include "models/quantised_linear.h"
#include "models/unet_2d_condition.h"

namespace sdxl {

/// A directory with a model_index.json and a folder for each part.
class PipelineDirectory {
 public:
  /// Error(kBadData) unless `directory` holds a pipeline of a StableDiffusionXL class.
  PipelineDirectory(const std::filesystem::path& directory, std::string variant);

  const std::filesystem::path& root() const { return root_; }
  const Json& index() const { return index_; }
  /// Whether zeros take the place of an absent negative prompt's embeddings.
  bool force_zeros_for_empty_prompt() const;

  Json scheduler_config() const;
  std::string scheduler_config_source() const;
  PromptEncoder prompt_encoder(const Placement& placement) const;
  /// `number` is 1 or 2. Reads each tokenizer once; two threads must not ask for the same one.
  std::shared_ptr<const Tokenizer> tokenizer(int number) const;
  std::shared_ptr<CLIPTextModel> text_encoder(int number, const Placement& placement) const;
  Weights text_encoder_weights(int number) const;
  /// Modules and parameter names without weights.
  std::shared_ptr<CLIPTextModel> empty_text_encoder(int number) const;
  std::shared_ptr<AutoencoderKL> vae(const Placement& placement, bool with_encoder,
                                     bool with_decoder) const;
  std::shared_ptr<UNet2DConditionModel> unet(const Placement& placement) const;
  /// The folder of a part; Error(kBadData) if it is missing.
  std::filesystem::path part(const std::string& name) const;

 private:
  std::filesystem::path root_;
  std::string variant_;
  Json index_;
  mutable std::array<std::shared_ptr<const Tokenizer>, 2> tokenizers_;
};

/// The config of a part in `directory`; Error(kBadData) if it belongs to another class.
UNet2DConditionConfig read_unet_config(const std::filesystem::path& directory);
AutoencoderKLConfig read_vae_config(const std::filesystem::path& directory);
/// The config of text_encoder or, `with_projection`, of text_encoder_2.
CLIPTextConfig read_text_encoder_config(const std::filesystem::path& directory,
                                        bool with_projection);

/// The entries of a part's config.json that shape its arithmetic: neither notes (keys that begin
/// with _), nor versions, nor the dtype of its files.
Json architecture_of(const Json& config);

/// Elements of all parameters, by their shapes: the module needs no weights.
uint64_t count_elements(const Module& module);

/// The layers that LoRA files may adapt: those of a UNet and of the pipeline's text encoders.
LayerNames layer_names(const PipelineDirectory& pipeline, const UNet2DConditionConfig& unet);

/// Loads the UNet in `directory`, of a pipeline, of --unet or of a checkpoint.
std::shared_ptr<UNet2DConditionModel> load_unet(const std::filesystem::path& directory,
                                                const std::string& variant,
                                                const Placement& placement);

/// The same with the transformers' linear layers quantised; memory holds one of them unquantised.
std::shared_ptr<UNet2DConditionModel> load_quantised_unet(const std::filesystem::path& directory,
                                                          const std::string& variant,
                                                          const Placement& placement,
                                                          QuantisedFormat format);

/// Loads the VAE in `directory`; the half that is not asked for takes no memory.
std::shared_ptr<AutoencoderKL> load_vae(const std::filesystem::path& directory,
                                        const std::string& variant, Placement placement,
                                        bool with_encoder, bool with_decoder);

/// The dtype of frozen parts for a --mixed_precision: float32 for "no".
at::ScalarType compute_dtype(const std::string& mixed_precision);

/// The dtype that a VAE computes in: float32 instead of fp16 if its config says force_upcast.
at::ScalarType vae_dtype(const AutoencoderKLConfig& config, at::ScalarType compute);

}  // namespace sdxl
