// Saving and loading the state of a run.
#include "commands/training_state.h"

#include "base/version.h"
#include "io/safetensors.h"

namespace sdxl {
namespace {

constexpr const char* kOptimizerFile = "optimizer.safetensors";
const WeightSetName kEmaName = {"_ema"};

}  // namespace

std::vector<at::Tensor> TrainingState::values() const {
  std::vector<at::Tensor> values;
  for (const TrainedTensor& tensor : optimizer.tensors()) values.push_back(tensor.value.detach());
  return values;
}

uint64_t TrainingState::bytes() const {
  uint64_t bytes = optimizer.state_bytes();
  for (const TrainedTensor& tensor : optimizer.tensors()) {
    bytes += tensor.value.nbytes();
    if (ema != nullptr) bytes += tensor.value.numel() * sizeof(float);
  }
  return bytes;
}

void TrainingState::save(const fs::path& directory, const Json& options) const {
  trainable.save(directory, values(), {});
  if (ema != nullptr) trainable.save(directory, ema->values(), {kEmaName.suffix, ema->config()});
  write_safetensors(directory / kOptimizerFile, optimizer.state());
  Json state = {
      {"sdxl_version", version()},
      {"trainer", trainer.state()},
      {"optimizer", {{"steps", optimizer.steps_taken()}, {"scalars", optimizer.scalars()}}}};
  if (ema != nullptr) state["ema_updates"] = ema->updates();
  state["options"] = options;
  write_json(directory / kTrainerStateFile, state);
}

void TrainingState::load(const RunDirectory& from) {
  const std::string source = from.saved_state_source();
  const fs::path& checkpoint = from.resumed()->path;
  auto part = [&](const Json& object, const char* key) {
    return json_value(object, key, Json(Json::object()), source);
  };
  trainer.load(part(from.saved_state(), "trainer"), source);
  const Json saved = part(from.saved_state(), "optimizer");
  const SafetensorsFile file(checkpoint / kOptimizerFile);
  optimizer.load([&file](const std::string& name) { return file.tensor(name); },
                 part(saved, "scalars"), json_value(saved, "steps", int64_t{0}, source), source);
  if (ema != nullptr) {
    ema->load(trainable.load(checkpoint, kEmaName),
              json_value(from.saved_state(), "ema_updates", int64_t{0}, source));
  }
}

}  // namespace sdxl
