// The hashed values and the comparison of gradients, for all tests of the models.
#include "models/reference.h"

#include <ATen/Parallel.h>

#include <cmath>

namespace sdxl {
namespace {

/// Models as small as these are slower with more threads.
class OneThread : public testing::Environment {
  void SetUp() override { at::set_num_threads(1); }
};
const auto* const kOneThread = testing::AddGlobalTestEnvironment(new OneThread);

constexpr int64_t kSamples = 4;  // As in tools/reference/models.py.

std::vector<uint32_t> hashed(const std::string& name, int64_t count) {
  uint32_t key = 2166136261u;
  for (const unsigned char byte : name) key = (key ^ byte) * 16777619u;
  std::vector<uint32_t> result(count);
  for (int64_t i = 0; i < count; ++i) {
    uint32_t x = static_cast<uint32_t>(i) * 2654435761u + key;
    x = (x ^ (x >> 15)) * 2246822519u;
    x = (x ^ (x >> 13)) * 3266489917u;
    result[i] = x ^ (x >> 16);
  }
  return result;
}

/// Norm, component in a hashed direction, samples.
std::vector<double> digest(const std::string& name, const at::Tensor& gradient) {
  const at::Tensor flat = gradient.contiguous().flatten().to(at::kDouble);
  const at::Tensor direction =
      hashed_values("direction of " + name, {flat.numel()}).to(at::kDouble);
  std::vector<double> result = {flat.norm().item<double>(),
                                (flat.dot(direction) / direction.norm()).item<double>()};
  for (const uint32_t place : hashed("places of " + name, kSamples)) {
    result.push_back(flat[place % flat.numel()].item<double>());
  }
  return result;
}

}  // namespace

at::Tensor hashed_values(const std::string& name, at::IntArrayRef shape) {
  at::Tensor result = at::empty(shape, at::kFloat);
  const std::vector<uint32_t> bits = hashed(name, result.numel());
  float* values = result.data_ptr<float>();
  for (size_t i = 0; i < bits.size(); ++i) {
    values[i] = static_cast<float>(bits[i] >> 8) / 8388608.0f - 1.0f;
  }
  return result;
}

at::Tensor hashed_weight(const std::string& name, at::IntArrayRef shape) {
  const at::Tensor values = hashed_values(name, shape);
  if (name.size() > 4 && name.substr(name.size() - 4) == "bias") return values * 0.25;
  if (shape.size() == 1) return values * 0.25 + 1;
  const double fan_in = static_cast<double>(values.numel()) / static_cast<double>(shape[0]);
  return values * static_cast<float>(1.5 / std::sqrt(fan_in));
}

Weights hashed_weights(const Module& model) {
  TensorMap tensors;
  for (const NamedParameter& parameter : model.parameters()) {
    tensors[parameter.name] = hashed_weight(parameter.name, parameter.shape);
  }
  return Weights::from_tensors(std::move(tensors), "hashed weights");
}

void load_hashed_weights(Module& model, at::ScalarType dtype) {
  Placement placement;
  placement.dtype = dtype;
  model.load(hashed_weights(model), placement);
}

Reference::Reference(const std::string& name) {
  const std::string stem = std::string(SDXL_TEST_DATA) + "/models/" + name;
  const Json json = read_json(stem + ".json");
  config = json.at("config");
  parameters = json.at("parameters").get<std::vector<std::string>>();
  tensors = SafetensorsFile(stem + ".safetensors").tensors();
}

double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor difference = actual.to(at::kDouble) - expected.to(at::kDouble);
  return (difference.abs().max() / expected.to(at::kDouble).abs().max()).item<double>();
}

at::Tensor weighted_sum(const std::vector<at::Tensor>& outputs) {
  at::Tensor sum = at::zeros({});
  for (const at::Tensor& output : outputs) {
    sum = sum + (output * hashed_values("output gradient", output.sizes())).sum();
  }
  return sum;
}

void expect_gradients(const Module& model,
                      const std::vector<std::pair<std::string, at::Tensor>>& inputs,
                      const Reference& reference) {
  auto named = model.state();
  for (auto& [name, tensor] : named) tensor = at::Tensor();
  const auto parameters = model.parameters();
  for (size_t i = 0; i < parameters.size(); ++i) named[i].second = *parameters[i].tensor;
  named.insert(named.end(), inputs.begin(), inputs.end());
  const at::Tensor digests = reference.tensors.at("gradients");
  ASSERT_EQ(digests.size(0), static_cast<int64_t>(named.size()));
  // Some gradients are zero but for rounding: those of a key's bias.
  const double least = 1e-2 * digests.select(1, 0).max().item<double>();
  for (size_t i = 0; i < named.size(); ++i) {
    const auto& [name, tensor] = named[i];
    const at::Tensor gradient = tensor.grad().defined() ? tensor.grad() : at::zeros_like(tensor);
    const std::vector<double> found = digest(name, gradient);
    const at::Tensor row = digests[static_cast<int64_t>(i)].to(at::kDouble).contiguous();
    const double scale = std::max(row[0].item<double>(), least);
    for (size_t j = 0; j < found.size(); ++j) {
      const double expected = row.data_ptr<double>()[j];
      EXPECT_NEAR(found[j] / scale, expected / scale, 1e-5) << name << ", number " << j;
    }
  }
}

}  // namespace sdxl
