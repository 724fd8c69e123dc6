// The VAE against diffusers.
#include "models/autoencoder_kl.h"

#include "models/reference.h"

namespace sdxl {
namespace {

class VaeAgainstDiffusers : public testing::TestWithParam<std::string> {
 protected:
  at::Tensor pixels() const {
    const at::Tensor moments = reference_.tensors.at("moments");
    const bool plain = GetParam() == "vae_plain";
    return hashed_values("pixels", {2, config_.in_channels, plain ? 9 : 24, plain ? 15 : 20});
  }
  at::Tensor latents() const {
    return hashed_values("latents", {2, config_.latent_channels, 5, 3});
  }

  Reference reference_{GetParam()};
  AutoencoderKLConfig config_ = AutoencoderKLConfig::from_json(reference_.config, "config.json");
  AutoencoderKL model_{config_};
};

TEST_P(VaeAgainstDiffusers, HasTheSameParametersInTheSameOrder) {
  std::vector<std::string> names;
  for (const NamedParameter& parameter : model_.parameters()) names.push_back(parameter.name);
  EXPECT_EQ(names, reference_.parameters);
}

TEST_P(VaeAgainstDiffusers, EncodesAndDecodesTheSame) {
  load_hashed_weights(model_);
  EXPECT_LT(relative_error(model_.encode(pixels()), reference_.tensors.at("moments")), 1e-5);
  EXPECT_LT(relative_error(model_.decode(latents()), reference_.tensors.at("decoded")), 1e-5);
}

TEST_P(VaeAgainstDiffusers, ComputesTheSameGradients) {
  load_hashed_weights(model_);
  require_gradients(model_);
  const at::Tensor pixels = this->pixels().set_requires_grad(true);
  const at::Tensor latents = this->latents().set_requires_grad(true);
  weighted_sum({model_.encode(pixels), model_.decode(latents)}).backward();
  expect_gradients(model_, {{"pixels", pixels}, {"latents", latents}}, reference_);
}

TEST_P(VaeAgainstDiffusers, ComputesNearlyTheSameInBfloat16) {
  load_hashed_weights(model_, at::kBFloat16);
  const at::Tensor moments = model_.encode(pixels().to(at::kBFloat16));
  EXPECT_LT(relative_error(moments, reference_.tensors.at("moments")), 0.05);
}

TEST_P(VaeAgainstDiffusers, OneHalfLoadsFromAWholeCheckpoint) {
  const Weights weights = hashed_weights(model_);
  AutoencoderKL decoder(config_, /*with_encoder=*/false), encoder(config_, true, false);
  decoder.load(weights, {});
  encoder.load(weights, {});
  EXPECT_LT(relative_error(decoder.decode(latents()), reference_.tensors.at("decoded")), 1e-5);
  EXPECT_LT(relative_error(encoder.encode(pixels()), reference_.tensors.at("moments")), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Configs, VaeAgainstDiffusers, testing::Values("vae", "vae_plain"),
                         [](const auto& info) { return info.param; });

TEST(AutoencoderKL, DecodesInTilesAsDiffusersDoes) {
  const Reference reference("vae");
  const auto config = AutoencoderKLConfig::from_json(reference.config, "config.json");
  AutoencoderKL model(config);
  load_hashed_weights(model);
  const at::Tensor latents = hashed_values("tiled latents", {1, config.latent_channels, 11, 9});
  const int64_t tile = config.sample_size / config.scale_factor();
  EXPECT_LT(relative_error(model.decode_tiled(latents, tile), reference.tensors.at("tiled")), 1e-5);
  // A quarter of these is no whole cell.
  for (const int64_t odd : {1, 2, 6}) {
    EXPECT_EQ(model.decode_tiled(latents, odd).sizes(), model.decode(latents).sizes());
  }
}

TEST(AutoencoderKL, LoadsTheAttentionsOldNames) {
  const auto config = AutoencoderKLConfig::from_json(Reference("vae").config, "config.json");
  AutoencoderKL model(config), old_style(config);
  load_hashed_weights(model);
  const auto rename = [](std::string name) {
    const std::pair<std::string, std::string> names[] = {{".to_q.", ".query."},
                                                         {".to_k.", ".key."},
                                                         {".to_v.", ".value."},
                                                         {".to_out.0.", ".proj_attn."}};
    for (const auto& [from, to] : names) {
      const size_t at = name.find(from);
      if (at != std::string::npos) name.replace(at, from.size(), to);
    }
    return name;
  };
  old_style.load(hashed_weights(model).renamed(rename), {});
  const auto state = model.state(), loaded = old_style.state();
  for (size_t i = 0; i < state.size(); ++i) EXPECT_TRUE(state[i].second.equal(loaded[i].second));
}

TEST(SamplePosterior, ClampsTheLogVariance) {
  const at::Tensor moments = at::tensor({1.0, 2.0, -100.0, 100.0}).view({1, 4, 1, 1});
  const at::Tensor sample =
      sample_posterior(moments, at::ones({1, 2, 1, 1}, at::kDouble)).flatten();
  EXPECT_NEAR(sample[0].item<double>(), 1.0 + std::exp(-15.0), 1e-12);
  EXPECT_NEAR(sample[1].item<double>(), 2.0 + std::exp(10.0), 1e-8);
}

}  // namespace
}  // namespace sdxl
