#include "training/trainables/full_unet.h"

#include <ATen/Parallel.h>

#include <atomic>

#include "base/error.h"
#include "base/files/files.h"
#include "base/text.h"
#include "device/device.h"
#include "io/model_files.h"
#include "io/pretrained.h"

namespace sdxl {
namespace {

/// Whether LibTorch allocated the memory of `tensor` and no other tensor shares it. False for
/// mapped files.
bool owns_memory(const at::Tensor& tensor) {
  const at::Storage& storage = tensor.storage();
  return tensor.use_count() == 1 && storage.use_count() == 1 &&
         storage.nbytes() == tensor.nbytes() &&
         storage.data_ptr().get_deleter() == c10::GetAllocator(at::kCPU)->raw_deleter();
}

/// Copies mapped weights into fresh memory. Vectorised products round differently with alignment,
/// and a checkpoint's file is aligned differently from the base model's; without the copy a resumed
/// run would not be bit-identical. Threads share the work because first-touch page faults dominate.
void copy_mapped_weights(const std::vector<NamedParameter>& parameters) {
  std::atomic<size_t> next = 0;
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    for (size_t i = next++; i < parameters.size(); i = next++) {
      at::Tensor& tensor = *parameters[i].tensor;
      if (tensor.is_cpu() && !owns_memory(tensor)) tensor = tensor.detach().clone();
    }
  });
}

}  // namespace

FullUNet::FullUNet(std::shared_ptr<UNet2DConditionModel> unet, const FullUNetOptions& options)
    : unet_(std::move(unet)),
      dtype_(options.bfloat16_weights ? at::kBFloat16 : options.compute_dtype) {
  ParameterGroup group{"unet", options.learning_rate, options.weight_decay, {}};
  const std::vector<NamedParameter> parameters = unet_->parameters();
  copy_mapped_weights(parameters);
  for (const NamedParameter& parameter : parameters) {
    TrainedTensor tensor{parameter.name, *parameter.tensor, {}};
    if (dtype_ != tensor.value.scalar_type()) {
      tensor.working = tensor.value.to(dtype_);
      *parameter.tensor = tensor.working;
    }
    tensor.leaf().requires_grad_(true);
    group.tensors.push_back(std::move(tensor));
  }
  groups_ = {std::move(group)};
  unet_->set_gradient_checkpointing(options.gradient_checkpointing);
}

at::Tensor FullUNet::predict(const TrainingBatch& batch, const at::Tensor& noisy,
                             const at::Tensor& timesteps) {
  return unet_->forward(noisy.to(dtype_), to_device(timesteps, noisy.device()).to(at::kFloat),
                        batch.embeds.prompt_embeds, batch.embeds.pooled_prompt_embeds,
                        batch.time_ids);
}

void FullUNet::save(const fs::path& directory, const std::vector<at::Tensor>& values,
                    const WeightSetName& name) const {
  const fs::path folder = directory / (kUNetFolder + name.suffix);
  make_directories(folder);
  write(folder, values, name.extra_config);
}

void FullUNet::write(const fs::path& folder, const std::vector<at::Tensor>& values,
                     const Json& extra_config) const {
  Json config = unet_->config().json;
  config.update(extra_config);
  write_json(folder / kConfigFile, config);
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  const std::vector<TrainedTensor>& trained = groups_.front().tensors;
  for (size_t i = 0; i < trained.size(); ++i) tensors.emplace_back(trained[i].name, values[i]);
  write_pretrained_weights(folder, kDiffusersStem, tensors);
}

std::vector<at::Tensor> FullUNet::load(const fs::path& directory, const WeightSetName& name) const {
  const Weights weights = Weights::open(directory / (kUNetFolder + name.suffix), kDiffusersStem);
  std::vector<at::Tensor> values;
  for (const TrainedTensor& tensor : groups_.front().tensors) {
    values.push_back(weights.tensor(tensor.name));
    if (values.back().sizes() != tensor.value.sizes()) {
      throw Error(ExitStatus::kBadData,
                  sdxl::str(weights.source(), ": ", quoted(tensor.name),
                            " has another shape than in this run's UNet: the checkpoint belongs "
                            "to another model"));
    }
  }
  return values;
}

}  // namespace sdxl
