// Parts and pipelines written as diffusers' save_pretrained does.
#include "pretrained/export.h"

#include "base/atomic_files.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "io/pretrained.h"
#include "pretrained/single_file_parts.h"

namespace sdxl {
namespace {

/// The kind of the part that `folder` names.
const PartKind& kind_of(const std::string& folder) {
  for (const PartKind& kind : single_file_parts()) {
    if (folder == kind.folder) return kind;
  }
  throw Error(ExitStatus::kFailure, str("no part is called ", quoted(folder)));
}

void fill_part(const fs::path& to, const fs::path& part, const PartKind& kind,
               const std::string& variant, at::ScalarType dtype) {
  Json config = read_json(part / "config.json");
  const std::unique_ptr<Module> module = kind.empty(part);
  const Weights weights = module->under_own_names(Weights::open(part, kind.stem, variant));
  std::vector<PlannedTensor> tensors;
  at::ScalarType first = at::kFloat;
  for (const NamedParameter& parameter : module->parameters()) {
    const at::Tensor stored = weights.tensor(parameter.name);
    const at::ScalarType written =
        dtype == at::ScalarType::Undefined ? stored.scalar_type() : dtype;
    if (tensors.empty()) first = written;
    tensors.push_back(
        {parameter.name, written, parameter.shape, [weights, name = parameter.name, written] {
           const at::Tensor value = weights.tensor(name).to(written, false, true);
           weights.release(name);
           return value;
         }});
  }
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (config.contains(key)) config[key] = config_dtype_name(first);
  }
  make_directories(to);
  write_json(to / "config.json", config);
  write_pretrained_weights(to, kind.stem, tensors);
}

}  // namespace

void write_diffusers_part(const fs::path& directory, const fs::path& part,
                          const std::string& variant, at::ScalarType dtype) {
  AtomicDirectory result(directory);
  fill_part(result.working_path(), part, kind_of(part.filename().string()), variant, dtype);
  result.commit(/*replace=*/true);
}

void write_diffusers_pipeline(const fs::path& directory, const fs::path& pipeline,
                              const fs::path& vae, const std::string& variant,
                              at::ScalarType dtype) {
  for (const char* folder : {"unet", "text_encoder", "text_encoder_2"}) {
    if (fs::is_directory(pipeline / folder)) continue;
    throw Error(ExitStatus::kBadData,
                str("the model has no ", folder, ": a part cannot be written as a whole pipeline"));
  }
  if (!fs::is_directory(vae)) {
    throw Error(ExitStatus::kBadData,
                "the model has no VAE: give --pretrained_vae_model_name_or_path");
  }
  AtomicDirectory result(directory);
  const fs::path& to = result.working_path();
  for (const char* folder : {"unet", "text_encoder", "text_encoder_2"}) {
    fill_part(to / folder, pipeline / folder, kind_of(folder), variant, dtype);
  }
  fill_part(to / "vae", vae, kind_of("vae"), variant, dtype);
  for (const char* folder : {"tokenizer", "tokenizer_2", "scheduler"}) {
    copy_files(pipeline / folder, to / folder);
  }
  write_file_atomically(to / "model_index.json", read_file(pipeline / "model_index.json"));
  result.commit(/*replace=*/true);
}

}  // namespace sdxl
