// Each optimizer against its reference implementation (tools/reference/optimizers.py).
#include "training/optimizers/registry.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "io/safetensors.h"
#include "training/optimizers/block_loop.h"

namespace sdxl {
namespace {

constexpr int kSteps = 50;
const std::vector<std::string> kNames = {"matrix", "vector", "cube", "large"};

/// Draws "large" as tools/reference/optimizers.py does; it is too large for a fixture.
void draw_large(TensorMap* data) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(7 + 3);
  (*data)["initial.large"] = at::randn({40, 120}, generator);
  const at::Tensor scale = at::pow(10, at::rand({kSteps, 40, 120}, generator) * 6 - 5);
  (*data)["gradients.large"] = at::randn({kSteps, 40, 120}, generator) * scale;
}

TensorMap reference() {
  TensorMap data = SafetensorsFile(SDXL_TEST_DATA "/training/optimizers.safetensors").tensors();
  draw_large(&data);
  return data;
}

std::vector<ParameterGroup> initial_groups(const TensorMap& data, double learning_rate,
                                           double weight_decay) {
  ParameterGroup group{"all", learning_rate, weight_decay, {}};
  for (const std::string& name : kNames) {
    group.tensors.push_back({name, data.at("initial." + name).clone(), {}});
  }
  return {group};
}

/// The gradients of step `step`, from 0.
std::vector<at::Tensor> gradients(const TensorMap& data, int step) {
  std::vector<at::Tensor> all;
  for (const std::string& name : kNames) all.push_back(data.at("gradients." + name)[step]);
  return all;
}

void expect_equal_weights(const Optimizer& a, const Optimizer& b, const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    EXPECT_TRUE(at::equal(a.tensors()[i].value, b.tensors()[i].value)) << name << ' ' << kNames[i];
  }
}

struct OptimizerCase {
  const char* reference;
  const char* optimizer;
  double learning_rate;
  std::map<std::string, double> arguments;
  double tolerance;  // of the weights, whose size is about 1
};

class OptimizerReference : public testing::TestWithParam<OptimizerCase> {};

void follow_reference(const OptimizerCase& c, bool whole_tensors) {
  const TensorMap data = reference();
  OptimizerOptions options;
  options.arguments = c.arguments;
  options.whole_tensors = whole_tensors;
  auto optimizer =
      make_optimizer(c.optimizer, initial_groups(data, c.learning_rate, 1e-2), options);
  for (int step = 0; step < kSteps; ++step) {
    optimizer->step(gradients(data, step), {1.0 - static_cast<double>(step) / kSteps, 1.0});
    for (const TrainedTensor& tensor : optimizer->tensors()) {
      auto expected = data.find(sdxl::str(c.reference, ".", step + 1, ".", tensor.name));
      if (expected == data.end()) continue;
      at::Tensor value = tensor.value;
      if (tensor.name == "large") value = value.flatten().slice(0, 0, value.numel(), 16);
      const double error = (value - expected->second).abs().max().item<double>();
      EXPECT_LE(error, c.tolerance) << tensor.name << " after step " << step + 1;
    }
  }
}

TEST(Optimizer, HasAReference) {
  const TensorMap data = reference();
  for (const std::string& name : optimizer_names()) {
    EXPECT_TRUE(data.contains(sdxl::str(name, ".", kSteps, ".matrix")))
        << "add " << name << " to tools/reference/optimizers.py and run it";
  }
}

TEST_P(OptimizerReference, FollowsTheReferenceForFiftySteps) {
  follow_reference(GetParam(), /*whole_tensors=*/false);
}

TEST_P(OptimizerReference, FollowsTheReferenceAsOtherDevicesCompute) {
  follow_reference(GetParam(), /*whole_tensors=*/true);
}

INSTANTIATE_TEST_SUITE_P(
    All, OptimizerReference,
    testing::Values(
        OptimizerCase{"adamw", "adamw", 1e-2, {}, 1e-6},
        OptimizerCase{"adamw8bit", "adamw8bit", 1e-2, {}, 1e-6},
        OptimizerCase{"adafactor", "adafactor", 1e-2, {}, 1e-6},
        OptimizerCase{
            "adafactor_scaled", "adafactor", 1e-2, {{"scale_parameter", 1}, {"beta1", 0.9}}, 1e-6},
        OptimizerCase{"lion", "lion", 1e-2, {}, 1e-6},
        OptimizerCase{"prodigy", "prodigy", 1.0, {{"d0", 1e-3}}, 1e-5},
        OptimizerCase{"prodigy_guarded",
                      "prodigy",
                      1.0,
                      {{"d0", 1e-3},
                       {"d_coef", 0.5},
                       {"growth_rate", 1.5},
                       {"safeguard_warmup", 1},
                       {"use_bias_correction", 1}},
                      1e-5}),
    [](const auto& info) { return std::string(info.param.reference); });

TEST(Optimizer, ContinuesFromASavedStateBitForBit) {
  const TensorMap data = reference();
  for (const std::string& name : optimizer_names()) {
    auto unbroken = make_optimizer(name, initial_groups(data, 1e-2, 1e-2), {});
    auto first = make_optimizer(name, initial_groups(data, 1e-2, 1e-2), {});
    for (int step = 0; step < 5; ++step) {
      unbroken->step(gradients(data, step), {1.0, 1.0});
      first->step(gradients(data, step), {1.0, 1.0});
    }
    TensorMap saved;
    for (auto& [key, tensor] : first->state()) saved[key] = tensor.clone();
    std::vector<ParameterGroup> groups = initial_groups(data, 1e-2, 1e-2);
    for (size_t i = 0; i < kNames.size(); ++i) {
      assign(groups[0].tensors[i], first->tensors()[i].value);
    }
    auto second = make_optimizer(name, groups, {});
    second->load([&](const std::string& key) { return saved.at(key); }, first->scalars(),
                 first->steps_taken(), "a checkpoint");
    for (int step = 5; step < 9; ++step) {
      unbroken->step(gradients(data, step), {0.5, 1.0});
      second->step(gradients(data, step), {0.5, 1.0});
    }
    expect_equal_weights(*unbroken, *second, name);
  }
}

TEST(Optimizer, RewritesTheModelsCopy) {
  const TensorMap data = reference();
  std::vector<ParameterGroup> groups = initial_groups(data, 1e-2, 1e-2);
  for (TrainedTensor& tensor : groups[0].tensors) {
    tensor.working = tensor.value.to(at::kBFloat16);
  }
  auto optimizer = make_optimizer("adamw", groups, {});
  optimizer->step(gradients(data, 0), {1.0, 1.0});
  for (const TrainedTensor& tensor : optimizer->tensors()) {
    EXPECT_TRUE(at::equal(tensor.working, tensor.value.to(at::kBFloat16))) << tensor.name;
  }
}

TEST(Optimizer, ScalesGradientsFirst) {
  const TensorMap data = reference();
  auto plain = make_optimizer("adamw", initial_groups(data, 1e-2, 0), {});
  auto scaled = make_optimizer("adamw", initial_groups(data, 1e-2, 0), {});
  std::vector<at::Tensor> doubled;
  for (const at::Tensor& gradient : gradients(data, 0)) doubled.push_back(gradient * 2);
  plain->step(gradients(data, 0), {1.0, 1.0});
  scaled->step(doubled, {1.0, 0.5});
  EXPECT_TRUE(at::equal(plain->tensors()[0].value, scaled->tensors()[0].value));
}

TEST(Optimizer, UpdatesTensorByTensorToTheSameResult) {
  const TensorMap data = reference();
  for (const std::string& name : optimizer_names()) {
    auto whole = make_optimizer(name, initial_groups(data, 1e-2, 1e-2), {});
    auto single = make_optimizer(name, initial_groups(data, 1e-2, 1e-2), {});
    if (!single->traits().supports_per_tensor_step) continue;
    for (int step = 0; step < 3; ++step) {
      whole->step(gradients(data, step), {1.0, 1.0});
      single->begin_step({1.0, 1.0});
      for (size_t i : {1, 0, 3, 2}) single->step_tensor(i, gradients(data, step)[i], 1.0);
    }
    expect_equal_weights(*whole, *single, name);
  }
}

TEST(Optimizer, AcceptsGradientsOfOtherStrides) {
  const TensorMap data = reference();
  auto plain = make_optimizer("adamw", initial_groups(data, 1e-2, 0), {});
  auto turned = make_optimizer("adamw", initial_groups(data, 1e-2, 0), {});
  std::vector<at::Tensor> given = gradients(data, 0);
  plain->step(given, {1.0, 1.0});
  given[0] = given[0].t().contiguous().t();
  turned->step(given, {1.0, 1.0});
  EXPECT_TRUE(at::equal(plain->tensors()[0].value, turned->tensors()[0].value));
}

TEST(Optimizer, RoundsBfloat16WeightsWithoutBias) {
  // A step of 1/16 of bfloat16's spacing at 1: rounding to nearest would never move.
  const double rate = 1.0 / 128 / 16;
  at::Tensor weight = at::ones({1 << 16}, at::kBFloat16);
  ParameterGroup group{"all", rate, 0.0, {{"weight", weight, {}}}};
  auto optimizer = make_optimizer("adamw", {group}, {});
  for (int step = 0; step < 4; ++step) optimizer->step({at::ones({1 << 16})}, {1.0, 1.0});
  const double moved = 1.0 - weight.to(at::kFloat).mean().item<double>();
  EXPECT_NEAR(moved, 4 * rate, 0.02 * 4 * rate);
}

TEST(Optimizer, RoundsBlocksAndWholeTensorsAlike) {
  at::Tensor weight = at::randn({5000}, at::kFloat);
  at::Tensor blocks = weight.to(at::kBFloat16), whole = at::empty_like(blocks);
  const std::vector<TrainedTensor> tensors = {{"weight", blocks, {}}};
  const float* source = weight.data_ptr<float>();
  update_blocks(tensors, {0}, {at::zeros({5000})}, 1.0, 99, [&](const UpdateBlock& block) {
    std::copy(source + block.begin, source + block.begin + block.size, block.weight);
  });
  store_stochastically(weight, whole, 99, 0);
  EXPECT_TRUE(at::equal(blocks, whole));
}

TEST(Optimizer, RefusesAStateOfAnotherShape) {
  const TensorMap data = reference();
  auto optimizer = make_optimizer("adamw", initial_groups(data, 1e-2, 0), {});
  auto find = [](const std::string&) { return at::zeros({2, 2}); };
  EXPECT_THROW(optimizer->load(find, Json::object(), 1, "a checkpoint"), Error);
}

}  // namespace
}  // namespace sdxl
