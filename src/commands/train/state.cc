#include "commands/train/state.h"

#include "base/text.h"
#include "base/version.h"
#include "io/model_files.h"
#include "io/safetensors.h"
#include "training/run/run_files.h"

namespace sdxl {
namespace {

const WeightSetName kEmaName = {kEmaSuffix};

}  // namespace

std::vector<at::Tensor> TrainingState::values() const {
  std::vector<at::Tensor> values;
  for (const TrainedTensor& tensor : optimizer.tensors()) values.push_back(tensor.value.detach());
  return shards != nullptr ? shards->gather_to_first(values) : values;
}

std::vector<at::Tensor> TrainingState::averages() const {
  if (ema == nullptr) return {};
  return shards != nullptr ? shards->gather_to_first(ema->values(), at::kFloat) : ema->values();
}

uint64_t TrainingState::bytes() const {
  uint64_t bytes = optimizer.state_bytes() * (shards != nullptr ? ranks.size() : 1);
  for (const TrainedTensor& tensor : flatten(trainable.parameter_groups())) {
    bytes += tensor.value.numel() * tensor.value.element_size();
    if (ema != nullptr) bytes += tensor.value.numel() * sizeof(float);
  }
  return bytes;
}

void TrainingState::save(const std::function<void(const CheckpointSaver::Write&)>& publish,
                         const Json& options) const {
  const std::vector<at::Tensor> weights = values(), average = averages();
  if (ranks.is_first()) {
    publish([&](const fs::path& directory) { write_files(directory, weights, average, options); });
  } else if (shards != nullptr) {
    write_sharded_state(ranks, optimizer.state(), {});
  }
  ranks.barrier();
}

void TrainingState::write(const fs::path& directory, const Json& options) const {
  write_files(directory, values(), averages(), options);
}

void TrainingState::write_files(const fs::path& directory, const std::vector<at::Tensor>& values,
                                const std::vector<at::Tensor>& averages,
                                const Json& options) const {
  trainable.save(directory, values, {});
  if (ema != nullptr) trainable.save(directory, averages, {kEmaName.suffix, ema->config()});
  if (shards != nullptr) {
    write_sharded_state(ranks, optimizer.state(), directory / kOptimizerFile);
  } else {
    write_safetensors(directory / kOptimizerFile, optimizer.state());
  }
  Json state = {
      {"sdxl_version", version()},
      {"trainer", trainer.state()},
      {"optimizer", {{"steps", optimizer.steps_taken()}, {"scalars", optimizer.scalars()}}}};
  if (ema != nullptr) state["ema_updates"] = ema->updates();
  state["options"] = options;
  write_json(directory / kTrainerStateFile, state);
}

/// The average of diffusers' EMAModel, whose config counts its updates. Without one the average
/// starts from the weights.
void TrainingState::load_foreign_average(const Checkpoint& from) {
  const fs::path folder = from.path / str(kUNetFolder, kEmaSuffix);
  if (ema == nullptr || !fs::is_directory(folder)) return;
  const std::vector<at::Tensor> averages = trainable.load(from.path, kEmaName);
  const fs::path config = folder / kConfigFile;
  ema->load(shards != nullptr ? shards->select_owned(averages) : averages,
            json_value(read_json(config), "optimization_step", from.step, config.string()));
}

void TrainingState::load(const RunDirectory& from) {
  const std::string source = from.saved_state_source();
  const fs::path& checkpoint = from.resumed()->path;
  auto part = [&](const Json& object, const char* key) {
    return json_value(object, key, Json(Json::object()), source);
  };
  trainer.load(part(from.saved_state(), "trainer"), source);
  if (from.resumed()->is_foreign) return load_foreign_average(*from.resumed());
  const Json saved = part(from.saved_state(), "optimizer");
  const SafetensorsFile file(checkpoint / kOptimizerFile);
  optimizer.load([&file](const std::string& name) { return file.tensor(name); },
                 part(saved, "scalars"), json_value(saved, "steps", int64_t{0}, source), source);
  if (ema != nullptr) {
    const std::vector<at::Tensor> averages = trainable.load(checkpoint, kEmaName);
    ema->load(shards != nullptr ? shards->select_owned(averages) : averages,
              json_value(from.saved_state(), "ema_updates", int64_t{0}, source));
  }
}

}  // namespace sdxl
