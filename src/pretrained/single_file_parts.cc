#include "pretrained/single_file_parts.h"

#include "base/files/files.h"
#include "io/model_files.h"
#include "models/original_names.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {
namespace {

std::unique_ptr<Module> empty_unet(const fs::path& directory) {
  return std::make_unique<UNet2DConditionModel>(read_unet_config(directory));
}

std::unique_ptr<Module> empty_vae(const fs::path& directory) {
  return std::make_unique<AutoencoderKL>(read_vae_config(directory), true, true);
}

std::unique_ptr<Module> empty_encoder(const fs::path& directory) {
  return std::make_unique<CLIPTextModel>(read_text_encoder_config(directory, false));
}

std::unique_ptr<Module> empty_encoder_2(const fs::path& directory) {
  return std::make_unique<CLIPTextModel>(read_text_encoder_config(directory, true));
}

TensorParts own_places(const Module& module, const std::string& prefix) {
  TensorParts parts;
  for (const NamedParameter& parameter : module.parameters()) {
    parts[parameter.name] = {prefix + parameter.name, 0, -1, false, false, parameter.shape};
  }
  return parts;
}

/// `places` of a model as a function of modules.
template <typename Model>
auto of_module(TensorParts (*places)(const Model&, const std::string&)) {
  return [places](const Module& module, const std::string& prefix) {
    return places(dynamic_cast<const Model&>(module), prefix);
  };
}

}  // namespace

const std::vector<PartKind>& single_file_parts() {
  static const std::vector<PartKind> kKinds = {{kUNetFolder,
                                                kDiffusersStem,
                                                {kOriginalUNet, ""},
                                                "input_blocks.0.0.weight",
                                                true,
                                                empty_unet,
                                                of_module(original_unet_parts)},
                                               {kUNetFolder,
                                                kDiffusersStem,
                                                {""},
                                                "down_blocks.0.resnets.0.norm1.weight",
                                                false,
                                                empty_unet,
                                                own_places},
                                               {kVaeFolder,
                                                kDiffusersStem,
                                                {kOriginalVae, ""},
                                                "decoder.mid.block_1.conv1.weight",
                                                true,
                                                empty_vae,
                                                of_module(original_vae_parts)},
                                               {kVaeFolder,
                                                kDiffusersStem,
                                                {""},
                                                "decoder.mid_block.resnets.0.conv1.weight",
                                                false,
                                                empty_vae,
                                                own_places},
                                               {kTextEncoderFolder,
                                                kTransformersStem,
                                                {kOriginalTextEncoder},
                                                "text_model.embeddings.token_embedding.weight",
                                                true,
                                                empty_encoder,
                                                of_module(original_text_encoder_parts)},
                                               {kTextEncoder2Folder,
                                                kTransformersStem,
                                                {kOriginalTextEncoder2},
                                                "token_embedding.weight",
                                                true,
                                                empty_encoder_2,
                                                of_module(original_text_encoder_2_parts)}};
  return kKinds;
}

}  // namespace sdxl
