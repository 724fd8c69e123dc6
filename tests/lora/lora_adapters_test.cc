#include "lora/lora_adapters.h"

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "device/random.h"
#include "lora/tiny_layers.h"
#include "models/quantised_linear.h"
#include "models/unet_2d_condition.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

std::unique_ptr<UNet2DConditionModel> tiny_unet() {
  auto unet = std::make_unique<UNet2DConditionModel>(test::tiny_unet_config());
  unet->initialize(1, {});
  return unet;
}

std::vector<std::string> paths(UNet2DConditionModel& unet,
                               const std::vector<std::string>& targets) {
  LoraOptions options;
  options.target_modules = targets;
  const LoraAdapters adapters({{"unet", &unet}}, options, 1);
  std::vector<std::string> result;
  for (const LoraParameter& parameter : adapters.parameters()) {
    if (parameter.role == "down") result.push_back(parameter.layer.path);
  }
  return result;
}

at::Tensor output(const UNet2DConditionModel& unet) {
  const at::Generator generator = stream_generator(7, Stream::kNoise, 0);
  const at::Tensor sample = at::randn({1, 4, 8, 8}, generator);
  const at::Tensor text = at::randn({1, 5, unet.config().cross_attention_dim}, generator);
  const int64_t sizes = 6 * unet.config().addition_time_embed_dim;
  const at::Tensor pooled =
      at::randn({1, unet.config().projection_class_embeddings_input_dim - sizes}, generator);
  return unet.forward(sample, at::full({1}, 500.0), text, pooled, at::full({1, 6}, 32.0));
}

TEST(LoraAdapters, StandOnTheAttentionsOfTheUNetByDefault) {
  const auto unet = tiny_unet();
  const std::vector<std::string> chosen = paths(*unet, {});
  EXPECT_EQ(chosen.size() % 8, 0u);
  EXPECT_FALSE(chosen.empty());
  for (const std::string& path : chosen) {
    EXPECT_NE(path.find(".attn"), std::string::npos) << path;
  }
}

TEST(LoraAdapters, AreChosenByTheEndsOfNamesOrByPatterns) {
  const auto unet = tiny_unet();
  EXPECT_EQ(paths(*unet, {"conv_in"}), std::vector<std::string>{"conv_in"});
  EXPECT_EQ(paths(*unet, {"time_embedding.*"}),
            (std::vector<std::string>{"time_embedding.linear_1", "time_embedding.linear_2"}));
  EXPECT_SDXL_ERROR(paths(*unet, {"to_q", "o_q"}), ExitStatus::kUsage,
                    "--lora_target_modules 'o_q' matches no");
}

TEST(LoraAdapters, BeginAsTheModelItself) {
  const c10::NoGradGuard no_grad;
  const auto unet = tiny_unet();
  const at::Tensor before = output(*unet);
  for (const bool dora : {false, true}) {
    LoraOptions options;
    options.use_dora = dora;
    options.target_modules = {"to_q", "conv1"};
    const LoraAdapters adapters({{"unet", unet.get()}}, options, 1);
    EXPECT_TRUE(at::allclose(output(*unet), before, 1e-4, 1e-5));
  }
  EXPECT_TRUE(at::equal(output(*unet), before)) << "the adapters are off again";
}

TEST(LoraAdapters, CanBeSwitchedOff) {
  const c10::NoGradGuard no_grad;
  const auto unet = tiny_unet();
  const at::Tensor before = output(*unet);
  LoraAdapters adapters({{"unet", unet.get()}}, {}, 1);
  for (const LoraParameter& parameter : adapters.parameters()) parameter.tensor.fill_(0.1);
  EXPECT_FALSE(at::allclose(output(*unet), before, 1e-3, 1e-3));
  adapters.set_enabled(false);
  EXPECT_TRUE(at::equal(output(*unet), before));
}

TEST(LoraAdapters, StandOnQuantisedLayers) {
  const auto unet = tiny_unet();
  const at::Tensor before = output(*unet);
  quantise_linears(*unet, QuantisedFormat::kInt8, {}, [](const std::string&) {});
  LoraOptions options;
  options.use_dora = true;
  const LoraAdapters adapters({{"unet", unet.get()}}, options, 1);
  EXPECT_LE((output(*unet) - before).norm().item<double>(), 0.02 * before.norm().item<double>());
  output(*unet).square().mean().backward();
  for (const LoraParameter& parameter : adapters.parameters()) {
    EXPECT_TRUE(parameter.tensor.grad().defined()) << parameter.layer.text() << parameter.role;
  }
}

}  // namespace
}  // namespace sdxl
