#include "pretrained/single_file_write.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "io/model_files.h"
#include "io/pretrained.h"
#include "pretrained/single_file_parts.h"

namespace sdxl {
namespace {

using Pieces = std::vector<std::pair<std::string, TensorPart>>;

/// Groups parameters by the tensor of the file that they are rows of, in the order of the rows.
std::map<std::string, Pieces> by_target(const TensorParts& parts) {
  std::map<std::string, Pieces> targets;
  for (const auto& [name, part] : parts) targets[part.name].emplace_back(name, part);
  for (auto& [name, pieces] : targets) {
    std::sort(pieces.begin(), pieces.end(),
              [](const auto& a, const auto& b) { return a.second.first_row < b.second.first_row; });
  }
  return targets;
}

/// The narrowest dtype that holds all of them.
at::ScalarType widest_dtype(const Weights& weights, const Pieces& pieces) {
  at::ScalarType widest = weights.tensor(pieces.front().first).scalar_type();
  for (const auto& [name, part] : pieces) {
    widest = at::promote_types(widest, weights.tensor(name).scalar_type());
  }
  return widest;
}

std::vector<int64_t> target_shape(const Pieces& pieces) {
  const TensorPart& first = pieces.front().second;
  std::vector<int64_t> shape = first.shape;
  if (first.transposed) std::reverse(shape.begin(), shape.end());
  if (pieces.size() > 1) shape[0] *= static_cast<int64_t>(pieces.size());
  if (first.pointwise) shape.insert(shape.end(), 2, 1);
  return shape;
}

at::Tensor target_value(const Weights& weights, const Pieces& pieces, at::ScalarType dtype) {
  std::vector<at::Tensor> values;
  for (const auto& [name, part] : pieces) {
    at::Tensor value = weights.tensor(name).to(dtype);
    if (part.transposed) value = value.t();
    values.push_back(part.pointwise ? value.unsqueeze(-1).unsqueeze(-1) : value);
  }
  at::Tensor whole = values.size() == 1 ? values[0] : at::cat(values);
  for (const auto& [name, part] : pieces) weights.release(name);
  return whole;
}

void require_same_names(const Weights& weights, const TensorParts& parts,
                        const fs::path& directory) {
  for (const auto& [name, part] : parts) {
    const at::Tensor tensor = weights.tensor(name);
    if (tensor.sizes() == at::IntArrayRef(part.shape)) continue;
    throw Error(
        ExitStatus::kBadData,
        sdxl::str(quoted(directory.string()), ": tensor ", quoted(name), " is ", tensor.sizes(),
                  " where its config.json says ", at::IntArrayRef(part.shape)));
  }
  for (const std::string& name : weights.names()) {
    if (parts.contains(name) || name.ends_with("position_ids")) continue;
    throw Error(ExitStatus::kBadData,
                str(quoted(directory.string()), ": tensor ", quoted(name),
                    " has no place in a single file; it does not fit the config.json there"));
  }
}

void plan_part(const PartKind& kind, const fs::path& directory, const std::string& variant,
               at::ScalarType dtype, std::vector<PlannedTensor>* tensors) {
  const std::unique_ptr<Module> module = kind.empty(directory);
  const TensorParts parts = kind.places(*module, kind.prefixes.front());
  const Weights weights = module->under_own_names(Weights::open(directory, kind.stem, variant));
  require_same_names(weights, parts, directory);
  for (const auto& [target, pieces] : by_target(parts)) {
    const at::ScalarType written =
        dtype == at::ScalarType::Undefined ? widest_dtype(weights, pieces) : dtype;
    tensors->push_back({target, written, target_shape(pieces), [weights, pieces, written] {
                          return target_value(weights, pieces, written);
                        }});
  }
}

/// The marks by which other programs recognise a model that predicts velocity.
void plan_marks(const fs::path& pipeline, std::vector<PlannedTensor>* tensors) {
  const fs::path file = pipeline / kSchedulerFolder / kSchedulerConfigFile;
  if (!fs::exists(file)) return;
  const Json config = read_json(file);
  const auto mark = [&](const char* name) {
    tensors->push_back({name, at::kFloat, {0}, [] { return at::empty({0}, at::kFloat); }});
  };
  const std::string prediction =
      json_value<std::string>(config, "prediction_type", "epsilon", file.string());
  if (prediction == "v_prediction") mark(kVelocityMark);
  if (json_value(config, "rescale_betas_zero_snr", false, file.string())) mark(kZeroSnrMark);
}

}  // namespace

void write_single_file(const fs::path& file, const fs::path& pipeline, const fs::path& vae,
                       const std::string& variant, at::ScalarType dtype) {
  std::vector<PlannedTensor> tensors;
  for (const PartKind& kind : single_file_parts()) {
    if (!kind.original) continue;
    const bool is_vae = kind.folder == std::string(kVaeFolder);
    plan_part(kind, is_vae ? vae : pipeline / kind.folder, variant, dtype, &tensors);
  }
  plan_marks(pipeline, &tensors);
  stream_safetensors(file, tensors,
                     {{"format", "pt"},
                      {"modelspec.sai_model_spec", "1.0.0"},
                      {"modelspec.architecture", "stable-diffusion-xl-v1-base"}});
}

}  // namespace sdxl
