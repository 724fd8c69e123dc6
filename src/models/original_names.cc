// Numbering of sgm's openaimodel.py: input_blocks.0 is conv_in, then each level's layers and its
// down-sampler follow one another; output_blocks likewise without a first convolution.
#include "models/original_names.h"

#include <array>
#include <utility>

#include "base/text.h"

namespace sdxl {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 7> kOutside = {{
    {"conv_in", "input_blocks.0.0"},
    {"time_embedding.linear_1", "time_embed.0"},
    {"time_embedding.linear_2", "time_embed.2"},
    {"add_embedding.linear_1", "label_emb.0.0"},
    {"add_embedding.linear_2", "label_emb.0.2"},
    {"conv_norm_out", "out.0"},
    {"conv_out", "out.2"},
}};

constexpr std::array<std::pair<const char*, const char*>, 6> kInResnet = {{
    {"norm1", "in_layers.0"},
    {"conv1", "in_layers.2"},
    {"time_emb_proj", "emb_layers.1"},
    {"norm2", "out_layers.0"},
    {"conv2", "out_layers.3"},
    {"conv_shortcut", "skip_connection"},
}};

/// `name` with its first part replaced by the table's; "" if none fits.
template <size_t N>
std::string replace_first(const std::string& name,
                          const std::array<std::pair<const char*, const char*>, N>& table) {
  for (const auto& [ours, theirs] : table) {
    const std::string prefix = ours;
    if (name == prefix) return theirs;
    if (name.starts_with(prefix + ".")) return theirs + name.substr(prefix.size());
  }
  return "";
}

/// Number of layers in the levels before `level` of input_blocks or output_blocks.
int64_t layers_before(const std::vector<int64_t>& layers, int64_t level) {
  int64_t count = 0;
  for (int64_t i = 0; i < level; ++i) count += layers[i];
  return count;
}

std::string inside(const std::string& kind, const std::string& rest) {
  return kind == "resnets" ? replace_first(rest, kInResnet) : rest;
}

}  // namespace

std::string original_unet_name(const std::string& name, const UNet2DConditionConfig& config) {
  const std::string outside = replace_first(name, kOutside);
  if (!outside.empty()) return outside;
  const std::vector<std::string> parts = split(name, '.');
  auto rest_after = [&](size_t count) {
    return join(
        {parts.begin() + static_cast<std::ptrdiff_t>(std::min(count, parts.size())), parts.end()},
        ".");
  };
  if (parts.size() < 3) return "";
  if (parts[0] == "mid_block") {
    const int64_t slot = parts[1] == "attentions" ? 1 : 2 * std::stoll(parts[2]);
    const std::string rest = inside(parts[1], rest_after(3));
    return str("middle_block.", slot, rest.empty() ? "" : ".", rest);
  }
  if (parts.size() < 4 || (parts[0] != "down_blocks" && parts[0] != "up_blocks")) return "";

  const bool down = parts[0] == "down_blocks";
  const int64_t level = std::stoll(parts[1]);
  const int64_t last = static_cast<int64_t>(config.layers_per_block.size()) - 1;
  const std::string& kind = parts[2];
  std::vector<int64_t> layers;  // blocks of each level in the original's numbering
  for (int64_t i = 0; i <= last; ++i) {
    layers.push_back(down ? config.layers_per_block[i] + 1 : config.layers_per_block[last - i] + 1);
  }
  const int64_t first = (down ? 1 : 0) + layers_before(layers, level);
  if (kind == "downsamplers") {
    return str("input_blocks.", first + layers[level] - 1, ".0.op", parts.size() > 5 ? "." : "",
               rest_after(5));
  }
  if (kind == "upsamplers") {
    const bool attention = config.up_block_types[level].starts_with("CrossAttn");
    return str("output_blocks.", first + layers[level] - 1, ".", attention ? 2 : 1, ".",
               rest_after(4));
  }
  const std::string rest = inside(kind, rest_after(4));
  return str(down ? "input_blocks." : "output_blocks.", first + std::stoll(parts[3]), ".",
             kind == "attentions" ? 1 : 0, rest.empty() ? "" : ".", rest);
}

}  // namespace sdxl
