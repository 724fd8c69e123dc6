// Each optimizer against its reference implementation (tools/reference/optimizers.py).
#include "training/optimizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "io/safetensors.h"

namespace sdxl {
namespace {

constexpr int kSteps = 50;

TensorMap reference() {
  return SafetensorsFile(SDXL_TEST_DATA "/training/optimizers.safetensors").tensors();
}

std::vector<ParameterGroup> initial_groups(const TensorMap& data, double learning_rate,
                                           double weight_decay) {
  ParameterGroup group{"all", learning_rate, weight_decay, {}};
  for (const char* name : {"matrix", "vector"}) {
    group.tensors.push_back({name, data.at(sdxl::str("initial.", name)).clone(), {}});
  }
  return {group};
}

/// The gradients of step `step`, from 0.
std::vector<at::Tensor> gradients(const TensorMap& data, int step) {
  return {data.at("gradients.matrix")[step], data.at("gradients.vector")[step]};
}

struct Case {
  const char* name;
  double learning_rate, weight_decay;
  double tolerance;  // of the weights, whose size is about 1
};

class OptimizerReference : public testing::TestWithParam<Case> {};

TEST_P(OptimizerReference, FollowsTheReferenceForFiftySteps) {
  const Case& c = GetParam();
  const TensorMap data = reference();
  auto optimizer =
      make_optimizer(c.name, initial_groups(data, c.learning_rate, c.weight_decay), {});
  for (int step = 0; step < kSteps; ++step) {
    optimizer->step(gradients(data, step), {1.0 - static_cast<double>(step) / kSteps, 1.0});
    for (const TrainedTensor& tensor : optimizer->tensors()) {
      auto expected = data.find(sdxl::str(c.name, ".", step + 1, ".", tensor.name));
      if (expected == data.end()) continue;
      const double error = (tensor.value - expected->second).abs().max().item<double>();
      EXPECT_LE(error, c.tolerance) << tensor.name << " after step " << step + 1;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerReference, testing::Values(Case{"adamw", 1e-2, 1e-2, 1e-6}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Optimizer, GoesOnFromASavedStateBitForBit) {
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
    for (size_t i = 0; i < 2; ++i) assign(groups[0].tensors[i], first->tensors()[i].value);
    auto second = make_optimizer(name, groups, {});
    second->load([&](const std::string& key) { return saved.at(key); }, first->scalars(),
                 first->steps_taken(), "a checkpoint");
    for (int step = 5; step < 9; ++step) {
      unbroken->step(gradients(data, step), {0.5, 1.0});
      second->step(gradients(data, step), {0.5, 1.0});
    }
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(at::equal(unbroken->tensors()[i].value, second->tensors()[i].value)) << name;
    }
  }
}

TEST(Optimizer, KeepsTheModelsCopyInStep) {
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
    if (!single->can_update_singly()) continue;
    for (int step = 0; step < 3; ++step) {
      whole->step(gradients(data, step), {1.0, 1.0});
      single->begin_step({1.0, 1.0});
      for (size_t i : {1, 0}) single->update_tensor(i, gradients(data, step)[i], 1.0);
    }
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(at::equal(whole->tensors()[i].value, single->tensors()[i].value)) << name;
    }
  }
}

TEST(Optimizer, TakesGradientsOfOtherStrides) {
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

TEST(Optimizer, RoundsAlikeInBlocksAndInWholeTensors) {
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

TEST(Optimizer, RefusesAnUnknownName) { EXPECT_THROW(make_optimizer("sgd9", {}, {}), Error); }

TEST(Optimizer, RefusesAStateOfAnotherShape) {
  const TensorMap data = reference();
  auto optimizer = make_optimizer("adamw", initial_groups(data, 1e-2, 0), {});
  auto find = [](const std::string&) { return at::zeros({2, 2}); };
  EXPECT_THROW(optimizer->load(find, Json::object(), 1, "a checkpoint"), Error);
}

}  // namespace
}  // namespace sdxl
