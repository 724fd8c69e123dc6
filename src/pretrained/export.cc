#include "pretrained/export.h"

#include <future>

#include "base/error.h"
#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "io/model_files.h"
#include "io/pretrained.h"
#include "pretrained/pipeline_directory.h"
#include "pretrained/single_file_parts.h"

namespace sdxl {
namespace {

const PartKind& kind_of(const std::string& folder) {
  for (const PartKind& kind : single_file_parts()) {
    if (folder == kind.folder) return kind;
  }
  throw Error(ExitStatus::kFailure, str("no part is called ", quoted(folder)));
}

void fill_part(const fs::path& to, const fs::path& part, const PartKind& kind,
               const std::string& variant, at::ScalarType dtype) {
  Json config = read_json(part / kConfigFile);
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
  write_json(to / kConfigFile, config);
  write_pretrained_weights(to, kind.stem, tensors);
}

void write_part(const fs::path& to, const fs::path& part, const PartKind& kind,
                const std::string& variant, at::ScalarType dtype) {
  AtomicDirectory folder(to);
  fill_part(folder.working_path(), part, kind, variant, dtype);
  folder.commit(/*replace=*/true);
}

void copy_folder(const fs::path& from, const fs::path& to) {
  AtomicDirectory folder(to);
  copy_files(from, folder.working_path());
  folder.commit(/*replace=*/true);
}

void write_scheduler(const PipelineExport& what, const fs::path& to) {
  const fs::path from = what.pipeline / kSchedulerFolder;
  if (what.prediction_type.empty()) return copy_folder(from, to);
  Json config = read_json(from / kSchedulerConfigFile);
  config["prediction_type"] = what.prediction_type;
  AtomicDirectory folder(to);
  write_json(folder.working_path() / kSchedulerConfigFile, config);
  folder.commit(/*replace=*/true);
}

/// Everything but the UNet and model_index.json.
void write_frozen_parts(const PipelineExport& what, const fs::path& directory) {
  for (const char* name : {kTokenizerFolder, kTokenizer2Folder}) {
    copy_folder(what.pipeline / name, directory / name);
  }
  for (const char* name : {kTextEncoderFolder, kTextEncoder2Folder}) {
    write_part(directory / name, what.pipeline / name, kind_of(name), what.variant, what.dtype);
  }
  write_part(directory / kVaeFolder, what.vae, kind_of(kVaeFolder), what.variant, what.dtype);
  write_scheduler(what, directory / kSchedulerFolder);
}

void require_whole(const PipelineExport& what) {
  for (const char* folder : {kUNetFolder, kTextEncoderFolder, kTextEncoder2Folder}) {
    if (fs::is_directory(what.pipeline / folder)) continue;
    throw Error(ExitStatus::kBadData,
                str("the model has no ", folder, ": a part cannot be written as a whole pipeline"));
  }
  if (!fs::is_directory(what.vae)) {
    throw Error(ExitStatus::kBadData,
                "the model has no VAE: give --pretrained_vae_model_name_or_path");
  }
}

}  // namespace

void write_diffusers_part(const fs::path& directory, const fs::path& part,
                          const std::string& variant, at::ScalarType dtype) {
  write_part(directory, part, kind_of(part.filename().string()), variant, dtype);
}

void write_diffusers_pipeline(const fs::path& directory, const PipelineExport& what) {
  require_whole(what);
  AtomicDirectory result(directory);
  const fs::path& to = result.working_path();
  write_pipeline_around(to, what, [&] {
    fill_part(to / kUNetFolder, what.pipeline / kUNetFolder, kind_of(kUNetFolder), what.variant,
              what.dtype);
  });
  result.commit(/*replace=*/true);
}

uint64_t frozen_bytes(const PipelineExport& what) {
  const std::pair<const char*, fs::path> parts[] = {
      {kTextEncoderFolder, what.pipeline / kTextEncoderFolder},
      {kTextEncoder2Folder, what.pipeline / kTextEncoder2Folder},
      {kVaeFolder, what.vae}};
  uint64_t elements = 0;
  for (const auto& [folder, path] : parts) {
    if (fs::exists(path / kConfigFile)) elements += count_elements(*kind_of(folder).empty(path));
  }
  const bool known = what.dtype != at::ScalarType::Undefined;
  return elements * (known ? c10::elementSize(what.dtype) : sizeof(float));
}

void write_pipeline_around(const fs::path& directory, const PipelineExport& what,
                           const std::function<void()>& write_unet) {
  std::future<void> others =
      std::async(std::launch::async, [&] { write_frozen_parts(what, directory); });
  write_unet();
  others.get();
  write_file_atomically(directory / kModelIndexFile, read_file(what.pipeline / kModelIndexFile));
}

}  // namespace sdxl
