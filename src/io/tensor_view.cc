#include "io/tensor_view.h"

#include <algorithm>

#include "base/error.h"
#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"

namespace sdxl {
namespace {

Json to_json(const TensorPart& part) {
  Json json = {{"name", part.name}, {"shape", part.shape}};
  if (part.rows >= 0) json["rows"] = {part.first_row, part.rows};
  if (part.transposed) json["transposed"] = true;
  if (part.pointwise) json["pointwise"] = true;
  return json;
}

TensorPart part_from_json(const Json& json) {
  TensorPart part;
  part.name = json.at("name").get<std::string>();
  part.shape = json.at("shape").get<std::vector<int64_t>>();
  if (json.contains("rows")) {
    part.first_row = json["rows"].at(0).get<int64_t>();
    part.rows = json["rows"].at(1).get<int64_t>();
  }
  part.transposed = json.value("transposed", false);
  part.pointwise = json.value("pointwise", false);
  return part;
}

/// Whether `directory` is below single_file_views().
bool may_hold_view(const fs::path& directory) {
  std::error_code error;
  const fs::path views = fs::weakly_canonical(single_file_views(), error);
  const fs::path path = fs::weakly_canonical(directory, error);
  return !error &&
         std::mismatch(views.begin(), views.end(), path.begin(), path.end()).first == views.end();
}

}  // namespace

bool has_part(at::IntArrayRef sizes, const TensorPart& part) {
  std::vector<int64_t> found = sizes.vec();
  if (part.rows >= 0) {
    if (found.empty() || part.first_row < 0 || found[0] - part.rows < part.first_row) return false;
    found[0] = part.rows;
  }
  if (part.transposed) std::reverse(found.begin(), found.end());
  while (part.pointwise && found.size() > part.shape.size() && found.back() == 1) found.pop_back();
  return found == part.shape;
}

at::Tensor part_of(const at::Tensor& tensor, const TensorPart& part) {
  const at::Tensor rows = part.rows < 0 ? tensor : tensor.narrow(0, part.first_row, part.rows);
  if (part.transposed) return rows.t().contiguous();
  return part.pointwise ? rows.reshape(part.shape) : rows;
}

void write_tensor_view(const fs::path& directory, const std::string& stem, const fs::path& file,
                       const TensorParts& parts) {
  Json tensors = Json::object();
  for (const auto& [name, part] : parts) tensors[name] = to_json(part);
  write_json(directory / (stem + ".view.json"),
             {{"file", fs::absolute(file).string()}, {"tensors", tensors}});
}

fs::path single_file_views() { return user_cache_directory() / "single_files"; }

std::optional<TensorView> read_tensor_view(const fs::path& directory, const std::string& stem) {
  const fs::path path = directory / (stem + ".view.json");
  std::error_code error;
  if (!fs::is_regular_file(path, error) || !may_hold_view(directory)) return std::nullopt;
  try {
    const Json json = read_json(path);
    TensorView view{json.at("file").get<std::string>(), {}};
    for (const auto& [name, part] : json.at("tensors").items()) {
      view.parts[name] = part_from_json(part);
    }
    return view;
  } catch (const Json::exception&) {
    throw bad_data(path.string(), "not a valid view of a file: remove its directory");
  }
}

}  // namespace sdxl
