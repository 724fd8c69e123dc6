// Gradients of every adapter against those of diffusers with peft, on one batch with the adapters
// of a file that diffusers wrote (tools/reference/lora_training.py).
#include "training/trainables/lora_training.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files/files.h"
#include "base/json.h"
#include "io/safetensors.h"
#include "pretrained/pipeline_directory.h"
#include "schedulers/noise_schedule.h"
#include "training/objective.h"

namespace sdxl {
namespace {

const fs::path kData = SDXL_TEST_DATA;
const fs::path kModel = kData / "tiny-sdxl";

std::shared_ptr<UNet2DConditionModel> tiny_unet(at::ScalarType dtype = at::kFloat) {
  return load_unet(kModel / "unet", "", {at::kCPU, dtype});
}

std::shared_ptr<PromptEncoder> tiny_encoder() {
  return std::make_shared<PromptEncoder>(
      PipelineDirectory(kModel, "").prompt_encoder({at::kCPU, at::kFloat}));
}

LoraTrainingOptions options_of(const Json& run) {
  LoraTrainingOptions options;
  options.adapters.rank = run.value("rank", 4);
  options.adapters.alpha = run.value("lora_alpha", static_cast<double>(options.adapters.rank));
  options.adapters.dropout = run.value("lora_dropout", 0.0);
  options.adapters.use_dora = run.value("use_dora", false);
  options.adapters.target_modules = run.value("lora_target_modules", std::vector<std::string>());
  options.seed = run["seed"].get<uint64_t>();
  return options;
}

ObjectiveOptions objective_options(uint64_t seed) {
  ObjectiveOptions options;
  options.seed = seed;
  return options;
}

/// A case of the reference: its batch, and a model with the adapters of its file.
struct LoraCase {
  explicit LoraCase(const std::string& name, at::ScalarType dtype = at::kFloat,
                    bool checkpointing = false)
      : name(name),
        run(read_json(kData / "training/lora_gradients.json").at(name)),
        file(kData / "training/lora_gradients.safetensors"),
        objective(NoiseSchedule(read_json(kModel / "scheduler/scheduler_config.json"), "config"),
                  objective_options(run["seed"].get<uint64_t>())) {
    LoraTrainingOptions options = options_of(run);
    options.compute_dtype = dtype;
    options.gradient_checkpointing = checkpointing;
    const bool encoders = run.value("train_text_encoder", false);
    training = std::make_unique<LoraTraining>(tiny_unet(dtype), encoders ? tiny_encoder() : nullptr,
                                              options);
    training->start_from(kData / "lora" / (name + ".safetensors"));
  }

  at::Tensor tensor(const std::string& part) const { return file.tensor(name + "/" + part); }

  TrainingBatch batch() const {
    TrainingBatch batch;
    batch.draws = run["draws"].get<std::vector<int64_t>>();
    batch.latents = tensor("latents");
    batch.time_ids = tensor("time_ids");
    batch.embeds = {tensor("hidden_states"), tensor("pooled")};
    for (const Json& caption : run["captions"]) {
      batch.captions.push_back(caption.is_null() ? "" : caption.get<std::string>());
      batch.caption_dropped.push_back(caption.is_null());
    }
    return batch;
  }

  /// Runs a forward and a backward pass.
  at::Tensor losses() {
    const TrainingBatch at = batch();
    const NoisedBatch noised = objective.noised(at.latents, at.draws);
    const at::Tensor losses =
        objective.losses(training->predict(at, noised.noisy, noised.timesteps), noised);
    losses.mean().backward();
    return losses.detach();
  }

  std::vector<TrainedTensor> tensors() const { return flatten(training->parameter_groups()); }

  std::string name;
  Json run;
  SafetensorsFile file;
  Objective objective;
  std::unique_ptr<LoraTraining> training;
};

class LoraGradients : public testing::TestWithParam<std::string> {};

TEST_P(LoraGradients, EqualThoseOfPeft) {
  LoraCase reference(GetParam());
  const at::Tensor losses = reference.losses();
  EXPECT_TRUE(at::allclose(losses, reference.tensor("losses"), 1e-5, 1e-6));
  size_t compared = 0;
  for (const TrainedTensor& tensor : reference.tensors()) {
    const std::string part = "gradients/" + tensor.name;
    const at::Tensor gradient = tensor.leaf().grad();
    if (!reference.file.contains(reference.name + "/" + part)) {
      EXPECT_FALSE(gradient.defined()) << tensor.name;
      continue;
    }
    ASSERT_TRUE(gradient.defined()) << tensor.name;
    const at::Tensor expected = reference.tensor(part).view(gradient.sizes());
    EXPECT_LE((gradient - expected).norm().item<double>(),
              1e-4 * expected.norm().item<double>() + 1e-8)
        << tensor.name;
    ++compared;
  }
  EXPECT_GT(compared, 20u);
}

INSTANTIATE_TEST_SUITE_P(All, LoraGradients,
                         testing::Values("attention", "text_encoders", "all_kinds", "dora",
                                         "dropout", "dora_dropout"),
                         [](const auto& info) { return info.param; });

TEST(LoraTraining, GradientCheckpointingChangesNoBit) {
  for (const char* name : {"dropout", "all_kinds"}) {
    LoraCase kept(name), recomputed(name, at::kFloat, /*checkpointing=*/true);
    EXPECT_TRUE(at::equal(kept.losses(), recomputed.losses()));
    const auto first = kept.tensors(), second = recomputed.tensors();
    for (size_t i = 0; i < first.size(); ++i) {
      const at::Tensor one = first[i].leaf().grad(), other = second[i].leaf().grad();
      ASSERT_EQ(one.defined(), other.defined()) << first[i].name;
      if (!one.defined()) continue;
      EXPECT_TRUE(at::equal(one, other)) << name << ": " << first[i].name;
    }
  }
}

TEST(LoraTraining, AdaptersAreFloat32OverABaseInBfloat16) {
  LoraCase half("dora", at::kBFloat16), full("dora");
  EXPECT_TRUE(at::allclose(half.losses(), full.losses(), 0.05, 0.02));
  const auto ours = half.tensors(), expected = full.tensors();
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i].value.scalar_type(), at::kFloat);
    EXPECT_FALSE(ours[i].working.defined());
    const at::Tensor gradient = ours[i].leaf().grad(), reference = expected[i].leaf().grad();
    EXPECT_EQ(gradient.scalar_type(), at::kFloat);
    EXPECT_LE((gradient - reference).norm().item<double>(),
              0.2 * reference.norm().item<double>() + 1e-4)
        << ours[i].name;
  }
}

TEST(LoraTraining, DropoutDoesNotDependOnTheBatchSize) {
  LoraCase together("dropout");
  const at::Tensor both = together.losses();
  LoraCase apart("dropout");
  const TrainingBatch whole = apart.batch();
  for (int64_t i = 0; i < 2; ++i) {
    TrainingBatch one;
    one.draws = {whole.draws[i]};
    one.latents = whole.latents.narrow(0, i, 1);
    one.time_ids = whole.time_ids.narrow(0, i, 1);
    one.captions = {whole.captions[i]};
    one.caption_dropped = {whole.caption_dropped[i]};
    const NoisedBatch noised = apart.objective.noised(one.latents, one.draws);
    const at::Tensor losses = apart.objective.losses(
        apart.training->predict(one, noised.noisy, noised.timesteps), noised);
    EXPECT_NEAR(losses.item<double>(), both[i].item<double>(), 1e-6);
  }
}

TEST(LoraTraining, GivesTextEncodersAndUpMatricesSeparateGroups) {
  LoraTrainingOptions options;
  options.learning_rate = 1e-3;
  options.text_encoder_learning_rate = 1e-4;
  options.up_ratio = 16;
  LoraTraining training(tiny_unet(), tiny_encoder(), options);
  std::vector<std::pair<std::string, double>> groups;
  for (const ParameterGroup& group : training.parameter_groups()) {
    groups.emplace_back(group.name, group.learning_rate);
  }
  const std::vector<std::pair<std::string, double>> expected = {
      {"unet", 1e-3}, {"unet.up", 1.6e-2}, {"text_encoders", 1e-4}, {"text_encoders.up", 1.6e-3}};
  ASSERT_EQ(groups.size(), expected.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(groups[i].first, expected[i].first);
    EXPECT_DOUBLE_EQ(groups[i].second, expected[i].second);
  }
}

/// The rates are those of PEFT's create_loraplus_optimizer (tools/reference/lora_rules.py).
TEST(LoraTraining, GivesMagnitudesTheRateThatPeftGivesThem) {
  LoraTrainingOptions options;
  options.adapters.target_modules = {"mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
                                     "mid_block.resnets.0.conv1"};
  options.adapters.use_dora = true;
  options.learning_rate = 1e-3;
  options.up_ratio = 4;
  const LoraTraining training(tiny_unet(), nullptr, options);
  const std::map<std::string, std::string> roles = {
      {".lora_A.default.weight", ".down"},
      {".lora_B.default.weight", ".up"},
      {".lora_magnitude_vector.default.weight", ".magnitude"}};
  std::map<std::string, double> rates;
  for (const ParameterGroup& group : training.parameter_groups()) {
    for (const TrainedTensor& tensor : group.tensors) rates[tensor.name] = group.learning_rate;
  }
  const Json expected = read_json(SDXL_TEST_DATA "/lora/rules/loraplus.json");
  EXPECT_EQ(rates.size(), expected.size());
  for (const auto& [name, rate] : expected.items()) {
    for (const auto& [peft, ours] : roles) {
      if (!name.ends_with(peft)) continue;
      const std::string layer = name.substr(0, name.size() - peft.size());
      EXPECT_DOUBLE_EQ(rates.at("unet." + layer + ours), rate.get<double>()) << name;
    }
  }
}

TEST(LoraTraining, RefusesTextEncodersWithoutAnAdaptedLayer) {
  LoraTrainingOptions options;
  options.adapters.target_modules = {"to_q"};
  EXPECT_THROW(LoraTraining(tiny_unet(), tiny_encoder(), options), Error);
  options.adapters.target_modules = {"to_q", "fc1"};
  EXPECT_EQ(LoraTraining(tiny_unet(), tiny_encoder(), options).parameter_groups().size(), 4u);
}

}  // namespace
}  // namespace sdxl
