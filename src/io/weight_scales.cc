#include "io/weight_scales.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr std::string_view kWeightSuffix = ".weight";
/// Formats in which a weight is its codes times a scale.
constexpr std::string_view kFormats[] = {
    "float8_e4m3fn", "float8_e4m3fn_rowwise", "float8_e4m3fn_blockwise",
    "float8_e5m2",   "int8_tensorwise",       "int8_blockwise",
};
/// Settings beside the format that do not change a weight's numbers.
constexpr std::string_view kNeutralKeys[] = {"format", "orig_dtype", "per_row", "group_size",
                                             "full_precision_matrix_mult"};

template <size_t N>
bool is_listed(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

void check_format(const SafetensorsFile& file, const std::string& name) {
  const at::Tensor bytes = file.tensor(name).contiguous();
  const std::string source = file.path().string() + " (" + name + ")";
  const Json format =
      parse_json({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()}, source);
  if (!format.is_object()) throw bad_data(source, "not a JSON object");
  const std::string kind = json_value<std::string>(format, "format", "", source);
  if (!is_listed(kFormats, kind)) {
    throw bad_data(source, "weights in the format ", quoted(kind),
                   " are not supported; give the checkpoint in fp16, bf16, fp8 or int8");
  }
  for (const auto& [key, value] : format.items()) {
    if (is_listed(kNeutralKeys, key) || value.is_null() || value == false) continue;
    throw bad_data(source, "weights with ", quoted(key), ' ', one_line(value),
                   " are not supported; give the checkpoint in fp16, bf16, fp8 or int8");
  }
}

/// Whether the scale has a number for all, for each row, or for each block of the weight.
bool fits(at::IntArrayRef scale, at::IntArrayRef weight) {
  const int64_t count = c10::multiply_integers(scale);
  if (count == 1) return true;
  if (weight.empty() || scale.empty() || count == 0) return false;
  if (count == weight[0] && scale[0] == weight[0]) return true;
  return scale.size() == 2 && weight.size() == 2 && weight[0] % scale[0] == 0 &&
         weight[1] % scale[1] == 0;
}

void check_scale(const SafetensorsFile& file, const SafetensorsEntry& weight,
                 const SafetensorsEntry& scale) {
  const bool is_8_bit =
      weight.dtype == "I8" || weight.dtype == "F8_E4M3" || weight.dtype == "F8_E5M2";
  if (is_8_bit && fits(scale.shape, weight.shape)) return;
  throw Error(ExitStatus::kBadData,
              sdxl::str(escaped(file.path().string()), ": ", quoted(scale.name), " of shape ",
                        at::IntArrayRef(scale.shape), " does not fit a weight of type ",
                        weight.dtype, " and shape ", at::IntArrayRef(weight.shape)));
}

}  // namespace

WeightScales::WeightScales(const SafetensorsFile& file) {
  std::map<std::string, const SafetensorsEntry*> entries;
  for (const SafetensorsEntry& entry : file.entries()) entries[entry.name] = &entry;
  for (const auto& [name, entry] : entries) {
    if (name == "scaled_fp8" || name.ends_with(".scaled_fp8")) companions_.insert(name);
    if (!name.ends_with(kWeightSuffix)) continue;
    const std::string stem = name.substr(0, name.size() - kWeightSuffix.size());
    for (const char* companion :
         {".weight_scale", ".scale_weight", ".comfy_quant", ".input_scale", ".scale_input"}) {
      if (entries.contains(stem + companion)) companions_.insert(stem + companion);
    }
    if (entries.contains(stem + ".comfy_quant")) check_format(file, stem + ".comfy_quant");
    for (const std::string& scale : {stem + ".weight_scale", stem + ".scale_weight"}) {
      const auto found = entries.find(scale);
      if (found == entries.end()) continue;
      check_scale(file, *entry, *found->second);
      scales_[name] = scale;
    }
    if (entry->dtype == "I8" && !scales_.contains(name)) {
      throw bad_data(file.path().string(), quoted(name), " is int8 and has no scale beside it");
    }
  }
}

std::string WeightScales::scale_of(const std::string& weight) const {
  const auto found = scales_.find(weight);
  return found == scales_.end() ? "" : found->second;
}

at::Tensor scaled_weight(const at::Tensor& codes, const at::Tensor& scale) {
  at::Tensor numbers = codes.to(at::kFloat);
  at::Tensor factors = scale.to(at::kFloat);
  if (factors.numel() == 1) return numbers.mul_(factors.reshape({}));
  if (factors.numel() == codes.size(0) && factors.size(0) == codes.size(0)) {
    std::vector<int64_t> rows(codes.dim(), 1);
    rows[0] = codes.size(0);
    return numbers.mul_(factors.reshape(rows));
  }
  factors = factors.repeat_interleave(codes.size(0) / factors.size(0), 0);
  return numbers.mul_(factors.repeat_interleave(codes.size(1) / factors.size(1), 1));
}

}  // namespace sdxl
