// Loading, converting and initialising modules.
#include "models/module.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "device/random.h"
#include "models/layers.h"
#include "models/reference.h"

namespace sdxl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Two layers under dotted names.
class Pair : public Module {
 public:
  Pair() : linear(this, "ff.net.0", 3, 2), norm(this, "norm", 4) {}
  Linear linear;
  LayerNorm norm;
};

TensorMap tensors_of(const Pair& pair) {
  TensorMap tensors;
  for (const NamedParameter& parameter : pair.parameters()) {
    tensors[parameter.name] = hashed_weight(parameter.name, parameter.shape);
  }
  return tensors;
}

TEST(Module, NamesParametersAsTheirPathsSay) {
  Pair pair;
  std::vector<std::string> names;
  for (const NamedParameter& parameter : pair.parameters()) names.push_back(parameter.name);
  EXPECT_THAT(names, ElementsAre("ff.net.0.weight", "ff.net.0.bias", "norm.weight", "norm.bias"));
}

TEST(Module, TakesTensorsAsTheyLieWhenTheDtypeAgrees) {
  Pair pair;
  TensorMap tensors = tensors_of(pair);
  pair.load(Weights::from_tensors(tensors, "test"), {});
  EXPECT_EQ(pair.linear.weight.data_ptr(), tensors["ff.net.0.weight"].data_ptr());
  require_gradients(pair);
  EXPECT_FALSE(tensors["ff.net.0.weight"].requires_grad());
}

TEST(Module, ConvertsTensorsOfAnotherDtype) {
  Pair pair;
  pair.load(Weights::from_tensors(tensors_of(pair), "test"), {at::kCPU, at::kBFloat16});
  EXPECT_EQ(pair.linear.weight.scalar_type(), at::kBFloat16);
  require_gradients(pair);
  pair.to({at::kCPU, at::kFloat});
  EXPECT_EQ(pair.linear.weight.scalar_type(), at::kFloat);
  EXPECT_TRUE(pair.linear.weight.requires_grad());
  EXPECT_TRUE(pair.linear.weight.is_leaf());
}

TEST(Module, NamesWhatDoesNotFit) {
  Pair pair;
  TensorMap tensors = tensors_of(pair);
  tensors.erase("norm.bias");
  tensors["ff.net.0.weight"] = at::zeros({2, 4});
  tensors["surplus"] = at::zeros({1});
  try {
    pair.load(Weights::from_tensors(tensors, "model.safetensors"), {});
    ADD_FAILURE() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadData);
    EXPECT_THAT(error.what(), HasSubstr("model.safetensors"));
    EXPECT_THAT(error.what(), HasSubstr("1 tensor missing (norm.bias)"));
    EXPECT_THAT(error.what(), HasSubstr("ff.net.0.weight [2, 4] for [2, 3]"));
    EXPECT_THAT(error.what(), HasSubstr("1 tensor superfluous (surplus)"));
  }
  EXPECT_FALSE(pair.linear.weight.defined());
}

TEST(Module, PassesOverBuffersOfOldCheckpoints) {
  Pair pair;
  TensorMap tensors = tensors_of(pair);
  tensors["text_model.embeddings.position_ids"] = at::arange(77);
  EXPECT_NO_THROW(pair.load(Weights::from_tensors(tensors, "test"), {}));
}

TEST(Module, InitialisesByTheWeightsStreamInTheOrderOfNames) {
  Pair pair;
  pair.initialize(7, {});
  EXPECT_TRUE(pair.norm.weight.equal(at::ones({4})));
  EXPECT_TRUE(pair.norm.bias.equal(at::zeros({4})));
  // "ff.net.0.bias" comes first by its bytes, "ff.net.0.weight" second.
  const double bound = 1 / std::sqrt(3.0);
  const auto drawn = [&](uint64_t index, at::IntArrayRef shape) {
    return at::empty(shape).uniform_(-bound, bound, stream_generator(7, Stream::kWeights, index));
  };
  EXPECT_TRUE(pair.linear.bias.equal(drawn(0, {2})));
  EXPECT_TRUE(pair.linear.weight.equal(drawn(1, {2, 3})));
}

}  // namespace
}  // namespace sdxl
