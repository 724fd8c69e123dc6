#include "commands/train/model_card.h"

#include <algorithm>

#include "base/atomic_files.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "training/run/run_files.h"

namespace sdxl {
namespace {

std::string shell_quoted(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_-./:,=+@").find(c) != std::string_view::npos;
  });
  if (plain) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void append_flags(std::vector<std::string>* to, const std::string& name, const Json& value) {
  if (value.is_boolean()) {
    to->push_back("--" + std::string(value.get<bool>() ? "" : "no_") + name);
    return;
  }
  const Json list = value.is_array() ? value : Json::array({value});
  for (const Json& one : list) to->push_back("--" + name + "=" + shell_quoted(text_of(one)));
}

/// Escapes a user's text for Markdown.
std::string markdown(const std::string& text) {
  std::string result;
  for (const char c : escaped(text)) {
    if (std::string_view("\\`*_{}[]<>|#").find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

std::string front_matter(const TrainingContext& context, const ModelCard& card) {
  std::string text = "---\nlicense: creativeml-openrail-m\nlibrary_name: diffusers\n";
  const std::string& base = context.config.pretrained_model_name_or_path;
  if (!fs::exists(base)) text += "base_model: " + Json(base).dump() + "\n";
  if (context.config.dataset_name && !fs::exists(*context.config.dataset_name)) {
    text += "datasets:\n- " + Json(*context.config.dataset_name).dump() + "\n";
  }
  text += "tags:\n";
  std::vector<std::string> tags = {"stable-diffusion-xl", "stable-diffusion-xl-diffusers",
                                   "text-to-image", "diffusers", "diffusers-training"};
  tags.insert(tags.end(), card.tags.begin(), card.tags.end());
  for (const std::string& tag : tags) text += "- " + tag + "\n";
  return text + "inference: true\n---\n\n";
}

std::string picture_section(const fs::path& output_dir, const std::vector<std::string>& prompts) {
  const fs::path folder = output_dir / kTestPictures;
  if (prompts.empty() || !fs::is_directory(folder)) return "";
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".png") names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  std::string text = "## Pictures\n\nDrawn at the end of training:\n\n";
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string& prompt = prompts[i * prompts.size() / names.size()];
    text += "![" + markdown(prompt) + "](" + kTestPictures + "/" + names[i] + ")\n";
  }
  return text + "\n";
}

}  // namespace

std::string command_line(const std::string& command, const OptionSet& options, uint64_t seed) {
  std::vector<std::string> words = {"sdxl " + command};
  for (const Option& option : options.options()) {
    if (option.rule.flag_only || option.rule.start_only) continue;
    const Json value = option.name == "seed" ? Json(seed) : options.value(option);
    if (value != options.default_value(option)) append_flags(&words, option.name, value);
  }
  return log::redacted(join(words, " \\\n  "));
}

void write_model_card(const TrainingContext& context, const ModelCard& card,
                      const std::vector<std::string>& prompts) {
  const TrainConfig& config = context.config;
  const fs::path output_dir = config.output_dir;
  const std::string data =
      config.dataset_name ? *config.dataset_name : config.train_data_dir.value_or("");
  std::string text = front_matter(context, card);
  text += "# " + markdown(fs::absolute(output_dir).lexically_normal().filename().string()) + "\n\n";
  text += card.description + " The base is " + markdown(config.pretrained_model_name_or_path) +
          ", the data " + markdown(data) +
          str(" (", counted(card.samples, "picture"), ", ", counted(card.steps, "step"), " at ",
              config.resolution, " pixels).");
  if (config.pretrained_vae_model_name_or_path) {
    text += " The VAE is " + markdown(*config.pretrained_vae_model_name_or_path) + ".";
  }
  text += "\n\n" + picture_section(output_dir, prompts);
  text += "## Training\n\n```sh\n" + card.command +
          "\n```\n\nEvery option is in `config.json`, every step "
          "in `metrics.jsonl`.\n";
  write_file_atomically(output_dir / kModelCardFile, log::redacted(text));
}

}  // namespace sdxl
