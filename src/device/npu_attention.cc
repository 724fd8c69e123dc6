// Finds the operator by name and fills its other arguments with the schema's defaults.
#include "device/npu_attention.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <cmath>
#include <map>

#include "base/error.h"

namespace sdxl {
namespace {

std::optional<c10::OperatorHandle> find_operator() {
  return c10::Dispatcher::singleton().findSchema({"npu::npu_fusion_attention", ""});
}

}  // namespace

void require_npu_attention() {
  if (find_operator()) return;
  throw Error(ExitStatus::kUnavailable,
              "--enable_npu_flash_attention: this libtorch_npu.so has no npu_fusion_attention: "
              "install torch-npu 2.11, or leave the option out");
}

at::Tensor npu_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         int64_t heads) {
  if (query.scalar_type() != at::kHalf && query.scalar_type() != at::kBFloat16) return {};
  static const c10::OperatorHandle attention = find_operator().value();
  constexpr int64_t kAllTokens = 65536;  // half-width of the attention window
  const double scale =
      1.0 / std::sqrt(static_cast<double>(query.size(-1)) / static_cast<double>(heads));
  const std::map<std::string, c10::IValue> given = {{"query", query},
                                                    {"key", key},
                                                    {"value", value},
                                                    {"head_num", heads},
                                                    {"input_layout", "BSH"},
                                                    {"scale", scale},
                                                    {"pre_tockens", kAllTokens},
                                                    {"next_tockens", kAllTokens}};
  torch::jit::Stack stack;
  for (const c10::Argument& argument : attention.schema().arguments()) {
    const auto found = given.find(argument.name());
    stack.push_back(found != given.end() ? found->second
                                         : argument.default_value().value_or(c10::IValue()));
  }
  attention.callBoxed(stack);
  return stack.front().toTensor();
}

}  // namespace sdxl
