#include "commands/train/run_record.h"

namespace sdxl {
namespace {

constexpr const char* kRanks = "_ranks";
constexpr const char* kSamples = "_samples";

}  // namespace

Json RunRecord::json() const {
  Json json = options;
  json[kRanks] = ranks;
  json[kSamples] = samples;
  return json;
}

RunRecord RunRecord::from_json(Json json, const std::string& source) {
  RunRecord record;
  record.ranks = json_value(json, kRanks, record.ranks, source);
  record.samples = json_value(json, kSamples, record.samples, source);
  for (const char* key : {kRanks, kSamples}) json.erase(key);
  record.options = std::move(json);
  return record;
}

}  // namespace sdxl
