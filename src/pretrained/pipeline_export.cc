// Copying and converting the parts of a pipeline.
#include "pretrained/pipeline_export.h"

#include <future>

#include "base/atomic_files.h"
#include "base/files.h"
#include "io/pretrained.h"

namespace sdxl {
namespace {

void copy_tokenizer(const fs::path& from, const fs::path& to) {
  AtomicDirectory folder(to);
  copy_files(from, folder.working_path());
  folder.commit(/*replace=*/true);
}

/// Writes config and weights of a part; the weights' own names are kept.
void convert_part(const fs::path& from, const std::string& stem, const std::string& variant,
                  at::ScalarType dtype, const char* dtype_key, const fs::path& to) {
  Json config = read_json(from / "config.json");
  if (dtype_key != nullptr && config.contains(dtype_key)) {
    config[dtype_key] = config_dtype_name(dtype);
  }
  const Weights weights = Weights::open(from, stem, variant);
  std::vector<PlannedTensor> tensors;
  for (const std::string& name : weights.names()) {
    const at::Tensor tensor = weights.tensor(name);
    const at::ScalarType written = tensor.is_floating_point() ? dtype : tensor.scalar_type();
    tensors.push_back({name, written, tensor.sizes().vec(),
                       [&weights, name, written] { return weights.tensor(name).to(written); }});
  }
  AtomicDirectory folder(to);
  write_json(folder.working_path() / "config.json", config);
  write_pretrained_weights(folder.working_path(), stem, tensors);
  folder.commit(/*replace=*/true);
}

void write_scheduler(const PipelineDirectory& pipeline, const std::string& prediction_type,
                     const fs::path& to) {
  Json config = pipeline.scheduler_config();
  if (!prediction_type.empty()) config["prediction_type"] = prediction_type;
  AtomicDirectory folder(to);
  write_json(folder.working_path() / "scheduler_config.json", config);
  folder.commit(/*replace=*/true);
}

void export_frozen_parts(const PipelineDirectory& pipeline, const PipelineExport& what,
                         const fs::path& directory) {
  for (const char* name : {"tokenizer", "tokenizer_2"}) {
    copy_tokenizer(pipeline.root() / name, directory / name);
  }
  for (const char* name : {"text_encoder", "text_encoder_2"}) {
    const fs::path from = pipeline.root() / name;
    const char* dtype_key =
        read_json(from / "config.json").contains("dtype") ? "dtype" : "torch_dtype";
    convert_part(from, "model", what.variant, what.frozen_dtype, dtype_key, directory / name);
  }
  convert_part(what.vae_directory, "diffusion_pytorch_model", what.variant, what.frozen_dtype,
               nullptr, directory / "vae");
  write_scheduler(pipeline, what.prediction_type, directory / "scheduler");
}

}  // namespace

void export_pipeline(const PipelineDirectory& pipeline, const PipelineExport& what,
                     const std::function<void()>& write_unet, const fs::path& directory) {
  std::future<void> others =
      std::async(std::launch::async, [&] { export_frozen_parts(pipeline, what, directory); });
  write_unet();
  others.get();
  // Last: a directory with it is complete.
  write_json(directory / "model_index.json", pipeline.index());
}

}  // namespace sdxl
