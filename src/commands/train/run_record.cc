#include "commands/train/run_record.h"

#include "base/files/files.h"
#include "io/model_files.h"
#include "pretrained/fingerprint.h"

namespace sdxl {
namespace {

constexpr const char* kRanks = "_ranks";
constexpr const char* kSamples = "_samples";
constexpr const char* kData = "_data";
constexpr const char* kWeights = "_weights";

}  // namespace

Json RunRecord::json() const {
  Json json = options;
  json[kRanks] = ranks;
  json[kSamples] = samples;
  if (data) json[kData] = data->json();
  if (!weights.empty()) json[kWeights] = weights;
  return json;
}

RunRecord RunRecord::from_json(Json json, const std::string& source) {
  RunRecord record;
  record.ranks = json_value(json, kRanks, record.ranks, source);
  record.samples = json_value(json, kSamples, record.samples, source);
  if (json.contains(kData)) {
    record.data = DataIdentity::from_json(json_value(json, kData, Json(), source), source);
  }
  record.weights = json_value(json, kWeights, record.weights, source);
  for (const char* key : {kRanks, kSamples, kData, kWeights}) json.erase(key);
  record.options = std::move(json);
  return record;
}

std::map<std::string, std::string> identify_weights(const TrainingContext& context,
                                                    bool with_unet) {
  std::map<std::string, std::string> weights;
  const auto add = [&](const char* part, const fs::path& folder, const char* stem) {
    if (fs::is_directory(folder)) weights[part] = weights_fingerprint(folder, stem);
  };
  const fs::path& model = context.inputs.model;
  if (with_unet) add(kUNetFolder, model / kUNetFolder, kDiffusersStem);
  for (const int number : {1, 2}) {
    const char* folder = text_encoder_folder(number);
    add(folder, model / folder, kTransformersStem);
  }
  add(kVaeFolder, context.inputs.vae, kDiffusersStem);
  return weights;
}

}  // namespace sdxl
