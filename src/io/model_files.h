// Names of the files and folders of a model on disk, as diffusers, transformers and PEFT write
// them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace sdxl {

/// Folders of a pipeline. Checkpoints of LoRA adapters use the same names for the parts of a model.
inline constexpr const char* kUNetFolder = "unet";
inline constexpr const char* kVaeFolder = "vae";
inline constexpr const char* kSchedulerFolder = "scheduler";
inline constexpr const char* kTextEncoderFolder = "text_encoder";
inline constexpr const char* kTextEncoder2Folder = "text_encoder_2";
inline constexpr const char* kTokenizerFolder = "tokenizer";
inline constexpr const char* kTokenizer2Folder = "tokenizer_2";
/// For `number` 1 or 2.
const char* text_encoder_folder(int number);
const char* tokenizer_folder(int number);

/// Configurations: of a pipeline, of a model, and of a scheduler.
inline constexpr const char* kModelIndexFile = "model_index.json";
inline constexpr const char* kConfigFile = "config.json";
inline constexpr const char* kSchedulerConfigFile = "scheduler_config.json";

/// Files of a tokenizer. SentencePiece models have one of the last two names.
inline constexpr const char* kTokenizerFile = "tokenizer.json";
inline constexpr const char* kTokenizerConfigFile = "tokenizer_config.json";
inline constexpr const char* kSpecialTokensFile = "special_tokens_map.json";
inline constexpr const char* kAddedTokensFile = "added_tokens.json";
inline constexpr const char* kVocabularyFile = "vocab.json";
inline constexpr const char* kMergesFile = "merges.txt";
inline constexpr const char* kSpieceFile = "spiece.model";
inline constexpr const char* kTokenizerModelFile = "tokenizer.model";

/// Stems of weights: of diffusers' models (UNet, VAE) and of transformers' (text encoders).
inline constexpr const char* kDiffusersStem = "diffusion_pytorch_model";
inline constexpr const char* kTransformersStem = "model";
inline constexpr const char* kSafetensorsSuffix = ".safetensors";

/// "STEM[.VARIANT].safetensors".
std::string weights_file(const std::string& stem, const std::string& variant = "");
/// "STEM.safetensors.index[.VARIANT].json", which names the shards of weights.
std::string weights_index_file(const std::string& stem, const std::string& variant = "");
/// "STEM-00001-of-00002.safetensors" for the shard `number` (from 1) of `count`.
std::string weights_shard_file(const std::string& stem, size_t number, size_t count);

/// What the name of a weights file says.
struct WeightsFileName {
  std::string stem;     ///< kDiffusersStem or kTransformersStem.
  std::string variant;  ///< "" without one.
};
/// Parses a name as above, sharded or not, also in the older form "STEM-00001-of-00002.VARIANT…".
/// Nothing for other names.
std::optional<WeightsFileName> parse_weights_file(std::string_view name);

bool is_safetensors(std::string_view name);
/// Weights whose format can run code when it is read.
bool is_pickle(std::string_view name);
/// Weights that only their own framework can read: pickles, Flax's and TensorFlow's.
bool is_foreign_weights(std::string_view name);

/// LoRA adapters, as diffusers and this program write them.
inline constexpr const char* kLoraWeights = "pytorch_lora_weights.safetensors";
inline constexpr const char* kLoraEmaWeights = "pytorch_lora_weights_ema.safetensors";
/// As ppdiffusers writes them.
inline constexpr const char* kPaddleLoraWeights = "paddle_lora_weights.safetensors";
/// As --save_kohya writes them.
inline constexpr const char* kKohyaLoraWeights = "kohya_lora_weights.safetensors";
/// As PEFT writes them, in a folder for each part of a model.
inline constexpr const char* kPeftWeights = "adapter_model.safetensors";
inline constexpr const char* kPeftConfigFile = "adapter_config.json";

/// `file` with `suffix` before its extension: "a.safetensors" and "_ema" give "a_ema.safetensors".
std::string with_suffix(const std::string& file, const std::string& suffix);

/// The LoRA weights that a training script left in `directory`; empty if there are none.
std::filesystem::path lora_weights_in(const std::filesystem::path& directory);

}  // namespace sdxl
