// The VAE has the names of latent diffusion, the second text encoder those of OpenCLIP.
#include <array>
#include <utility>

#include "base/text.h"
#include "models/original_names.h"

namespace sdxl {
namespace {

using NamePairs = std::vector<std::pair<const char*, const char*>>;

/// The first of `pairs` that `name` begins with is replaced; `name` where there is none.
std::string with_prefix_replaced(const std::string& name, const NamePairs& pairs) {
  for (const auto& [ours, theirs] : pairs) {
    if (name.starts_with(ours)) return theirs + name.substr(std::string_view(ours).size());
  }
  return name;
}

/// The parameters of `module` by the names that `rename` gives, as they are.
template <typename Rename>
TensorParts renamed_parts(const Module& module, const std::string& prefix, const Rename& rename) {
  TensorParts parts;
  for (const NamedParameter& parameter : module.parameters()) {
    TensorPart part;
    part.name = prefix + rename(parameter.name);
    part.shape = parameter.shape;
    parts[parameter.name] = std::move(part);
  }
  return parts;
}

/// Below "encoder." or "decoder.".
std::string original_vae_half_name(const std::string& name, int64_t levels) {
  static const NamePairs kMid = {{"mid_block.resnets.0.", "mid.block_1."},
                                 {"mid_block.resnets.1.", "mid.block_2."},
                                 {"mid_block.attentions.0.group_norm.", "mid.attn_1.norm."},
                                 {"mid_block.attentions.0.to_q.", "mid.attn_1.q."},
                                 {"mid_block.attentions.0.to_k.", "mid.attn_1.k."},
                                 {"mid_block.attentions.0.to_v.", "mid.attn_1.v."},
                                 {"mid_block.attentions.0.to_out.0.", "mid.attn_1.proj_out."},
                                 {"conv_norm_out.", "norm_out."}};
  const std::vector<std::string> parts = split(name, '.');
  if (parts[0] != "down_blocks" && parts[0] != "up_blocks") {
    return with_prefix_replaced(name, kMid);
  }
  // The original numbers the decoder's levels from pixels to latents.
  const bool down = parts[0] == "down_blocks";
  const int64_t level = std::stoll(parts[1]);
  const std::string place = str(down ? "down." : "up.", down ? level : levels - 1 - level, '.');
  if (parts[2] == "downsamplers") return place + "downsample.conv." + parts.back();
  if (parts[2] == "upsamplers") return place + "upsample.conv." + parts.back();
  const std::string layer = parts[4] == "conv_shortcut" ? "nin_shortcut" : parts[4];
  return str(place, "block.", parts[3], '.', layer, '.', parts.back());
}

std::string original_vae_name(const std::string& name, int64_t levels) {
  for (const std::string half : {"encoder.", "decoder."}) {
    if (name.starts_with(half)) {
      return half + original_vae_half_name(name.substr(half.size()), levels);
    }
  }
  return name;  // quant_conv, post_quant_conv
}

/// Below "text_model.encoder.layers.N.".
std::string open_clip_layer_name(const std::string& name) {
  static const NamePairs kInLayer = {{"self_attn.out_proj.", "attn.out_proj."},
                                     {"layer_norm1.", "ln_1."},
                                     {"layer_norm2.", "ln_2."},
                                     {"mlp.fc1.", "mlp.c_fc."},
                                     {"mlp.fc2.", "mlp.c_proj."}};
  return with_prefix_replaced(name, kInLayer);
}

std::string open_clip_name(const std::string& name) {
  static const NamePairs kOutside = {
      {"text_model.embeddings.token_embedding.", "token_embedding."},
      {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
      {"text_model.final_layer_norm.", "ln_final."},
      {"text_projection.weight", "text_projection"}};
  constexpr std::string_view kLayers = "text_model.encoder.layers.";
  if (!name.starts_with(kLayers)) return with_prefix_replaced(name, kOutside);
  const size_t dot = name.find('.', kLayers.size());
  return str("transformer.resblocks.", name.substr(kLayers.size(), dot - kLayers.size()), '.',
             open_clip_layer_name(name.substr(dot + 1)));
}

/// Query, key or value: a third of the rows of OpenCLIP's in_proj.
bool fuse(std::string* name, TensorPart* part) {
  constexpr std::array<const char*, 3> kProjections = {"self_attn.q_proj.", "self_attn.k_proj.",
                                                       "self_attn.v_proj."};
  for (size_t i = 0; i < kProjections.size(); ++i) {
    const size_t at = name->find(kProjections[i]);
    if (at == std::string::npos) continue;
    *name = name->substr(0, at) + "attn.in_proj_" +
            name->substr(at + std::string_view(kProjections[i]).size());
    part->rows = part->shape[0];
    part->first_row = static_cast<int64_t>(i) * part->rows;
    return true;
  }
  return false;
}

}  // namespace

TensorParts original_unet_parts(const UNet2DConditionModel& unet, const std::string& prefix) {
  return renamed_parts(unet, prefix, [&](const std::string& name) {
    return original_unet_name(name, unet.config());
  });
}

TensorParts original_vae_parts(const AutoencoderKL& vae, const std::string& prefix) {
  const auto levels = static_cast<int64_t>(vae.config().block_out_channels.size());
  TensorParts parts = renamed_parts(
      vae, prefix, [&](const std::string& name) { return original_vae_name(name, levels); });
  for (auto& [name, part] : parts) {
    part.pointwise = name.find(".attentions.") != std::string::npos && part.shape.size() == 2;
  }
  return parts;
}

TensorParts original_text_encoder_parts(const CLIPTextModel& model, const std::string& prefix) {
  return renamed_parts(model, prefix, [](const std::string& name) { return name; });
}

TensorParts original_text_encoder_2_parts(const CLIPTextModel& model, const std::string& prefix) {
  TensorParts parts;
  for (const NamedParameter& parameter : model.parameters()) {
    TensorPart part;
    part.shape = parameter.shape;
    std::string name = open_clip_name(parameter.name);
    fuse(&name, &part);
    part.name = prefix + name;
    part.transposed = parameter.name == "text_projection.weight";
    parts[parameter.name] = std::move(part);
  }
  return parts;
}

}  // namespace sdxl
