#include "commands/infer/plan.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "base/error.h"
#include "base/files/files.h"
#include "base/text.h"
#include "base/utf8.h"
#include "data/captions.h"

namespace sdxl {
namespace {

struct Sides {
  int64_t fallback, latent_scale;
};

int64_t checked_side(const std::optional<int64_t>& given, const char* name, const Sides& sides) {
  const int64_t side = given.value_or(sides.fallback);
  const int64_t unit = std::lcm<int64_t>(8, sides.latent_scale);
  if (side <= 0 || side % unit != 0) {
    throw Error(ExitStatus::kUsage, str("--", name, " ", side, ": must be a multiple of ", unit,
                                        " above 0; the nearest is ",
                                        std::max<int64_t>(unit, (side + unit / 2) / unit * unit)));
  }
  return side;
}

void require_utf8(const char* name, const std::string& text) {
  if (is_utf8(text)) return;
  throw Error(ExitStatus::kUsage, str(name, ' ', quoted(text), ": is not UTF-8; give it as UTF-8"));
}

PictureJob make_job(const InferConfig& config, const std::string& prompt, uint64_t seed,
                    const Sides& sides) {
  require_utf8("--prompt", prompt);
  require_utf8("--prompt_2", config.prompt_2.value_or(""));
  require_utf8("--negative_prompt", config.negative_prompt.value_or(""));
  require_utf8("--negative_prompt_2", config.negative_prompt_2.value_or(""));
  PictureJob job;
  job.count = config.num_images_per_prompt;
  job.texts = {prompt, config.prompt_2, config.negative_prompt, config.negative_prompt_2,
               config.clip_skip};
  job.seed = seed;
  job.height = checked_side(config.height, "height", sides);
  job.width = checked_side(config.width, "width", sides);
  job.num_inference_steps = config.num_inference_steps;
  job.guidance_scale = config.guidance_scale;
  job.guidance_rescale = config.guidance_rescale;
  const IntPair size{job.height, job.width};
  const IntPair original = config.original_size.value_or(size);
  const IntPair target = config.target_size.value_or(size);
  const IntPair crop = config.crops_coords_top_left;
  job.time_ids = {static_cast<float>(original.first), static_cast<float>(original.second),
                  static_cast<float>(crop.first),     static_cast<float>(crop.second),
                  static_cast<float>(target.first),   static_cast<float>(target.second)};
  return job;
}

/// Error(kBadData) for a key of a JSON line that is not an option of a single picture.
void require_picture_options(const OptionSet& options, const Json& line,
                             const std::string& source) {
  std::vector<std::string> allowed;
  for (const Option& option : options.options()) {
    if (option.rule.per_picture) allowed.push_back(option.name);
  }
  for (const auto& [key, value] : line.items()) {
    if (std::find(allowed.begin(), allowed.end(), key) != allowed.end()) continue;
    const std::string near = nearest(key, allowed);
    throw Error(ExitStatus::kBadData,
                str(source, ": ", quoted(key), " is not an option of a picture",
                    near.empty() ? "" : "; did you mean " + near + "?"));
  }
}

/// A JSON line: the run's options, overridden by those of the line.
PictureJob job_from_json(const InferConfig& config, Json line, const std::string& source,
                         uint64_t default_seed, const Sides& sides) {
  if (!line.is_object() || !line.contains("prompt") || !line["prompt"].is_string()) {
    throw Error(ExitStatus::kBadData, source + ": must be a JSON object with the text \"prompt\"");
  }
  const std::string prompt = line["prompt"].get<std::string>();
  line.erase("prompt");
  std::optional<double> lora_scale;
  if (line.contains("lora_scale")) {
    if (config.lora.empty() && config.checkpoints.empty()) {
      throw Error(
          ExitStatus::kBadData,
          source + ": \"lora_scale\" needs --lora or --checkpoints, whose scales it multiplies");
    }
    lora_scale = json_value(line, "lora_scale", 1.0, source);
    line.erase("lora_scale");
  }
  InferConfig own = config;
  own.seed.reset();
  OptionSet options(infer_table(own));
  require_picture_options(options, line, source);
  options.set_from_json(line, source);
  PictureJob job = make_job(own, prompt, own.seed.value_or(default_seed), sides);
  job.lora_scale = lora_scale;
  return job;
}

/// How many pictures a faulty line asks for, as far as it can be read.
int64_t picture_count(const InferConfig& config, const std::string& line) {
  const Json json = Json::parse(line, /*callback=*/nullptr, /*allow_exceptions=*/false);
  const auto found = json.is_object() ? json.find("num_images_per_prompt") : json.end();
  if (found == json.end() || !found->is_number_integer()) return config.num_images_per_prompt;
  constexpr int64_t kMost = 1'000'000;
  return std::clamp<int64_t>(found->get<int64_t>(), 1, kMost);
}

/// The lines of a prompt file that are not blank, each with its name for errors.
std::vector<std::pair<std::string, std::string>> prompt_lines(const std::string& file) {
  const std::string text = read_file(file);
  std::vector<std::pair<std::string, std::string>> result;
  size_t number = 0;
  for (std::string& line : split(without_byte_order_mark(text), '\n')) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (!trimmed(line).empty()) result.emplace_back(str(file, " line ", number), std::move(line));
  }
  if (result.empty()) {
    throw Error(ExitStatus::kBadData,
                str("--prompt_file ", quoted(file), " holds no prompt: write one a line"));
  }
  return result;
}

}  // namespace

Json PictureJob::parameters() const {
  Json json;
  json["prompt"] = texts.prompt;
  if (texts.prompt_2) json["prompt_2"] = *texts.prompt_2;
  if (texts.negative_prompt) json["negative_prompt"] = *texts.negative_prompt;
  if (texts.negative_prompt_2) json["negative_prompt_2"] = *texts.negative_prompt_2;
  json["seed"] = seed;
  json["height"] = height;
  json["width"] = width;
  json["num_inference_steps"] = num_inference_steps;
  json["guidance_scale"] = guidance_scale;
  if (guidance_rescale != 0) json["guidance_rescale"] = guidance_rescale;
  if (texts.clip_skip != 0) json["clip_skip"] = texts.clip_skip;
  if (count != 1) json["num_images_per_prompt"] = count;
  if (lora_scale) json["lora_scale"] = *lora_scale;
  auto pair = [&](int at) {
    return Json{static_cast<int64_t>(time_ids[at]), static_cast<int64_t>(time_ids[at + 1])};
  };
  json["original_size"] = pair(0);
  json["crops_coords_top_left"] = pair(2);
  json["target_size"] = pair(4);
  return json;
}

std::string PictureJob::file_name(int64_t number) const {
  char name[64];
  std::snprintf(name, sizeof name, "%05lld_%llu.png", static_cast<long long>(first_index + number),
                static_cast<unsigned long long>(seed));
  return name;
}

PicturePlan plan_pictures(const InferConfig& config, uint64_t seed, int64_t default_side,
                          int64_t latent_scale) {
  const Sides sides{default_side, latent_scale};
  PicturePlan plan;
  uint64_t number = 0;
  int64_t index = 0;
  const auto append = [&](PictureJob job) {
    job.first_index = index;
    index += job.count;
    plan.jobs.push_back(std::move(job));
  };
  for (const std::string& prompt : config.prompt) {
    append(make_job(config, prompt, seed + number++, sides));
  }
  if (!config.prompt_file) return plan;
  for (const auto& [source, line] : prompt_lines(*config.prompt_file)) {
    const uint64_t own_seed = seed + number++;
    try {
      append(trimmed(line)[0] == '{'
                 ? job_from_json(config, parse_json(line, source), source, own_seed, sides)
                 : make_job(config, line, own_seed, sides));
    } catch (const Error& error) {
      const std::string what = error.what();
      plan.errors.emplace_back(ExitStatus::kBadData,
                               what.starts_with(source) ? what : source + ": " + what);
      index += picture_count(config, line);  // keeps the file numbers of later lines stable
    }
  }
  return plan;
}

}  // namespace sdxl
