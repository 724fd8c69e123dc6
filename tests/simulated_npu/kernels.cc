// Operators of the simulated NPU: memory and copies are implemented here, everything else is
// computed on the CPU. Refuses what a real NPU refuses or does slowly: tensors of several devices,
// random numbers drawn on the device, float64.
#include <ATen/EmptyTensor.h>
#include <ATen/Functions.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/native/TensorShape.h>
#include <torch/library.h>

#include <cstring>

#include "simulated_npu/device.h"
#include "simulated_npu/memory.h"

namespace simulated_npu {
namespace {

using at::Tensor;
using c10::IntArrayRef;
template <typename T>
using Optional = std::optional<T>;

const c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

/// Warns, with torch_npu's words, at every call of an operator that falls back to the CPU.
void warn_of_fallback(const std::string& name) {
  TORCH_WARN(
      "CAUTION: The operator '", name,
      "' is not currently supported on the NPU backend and will fall back to run on the CPU.");
}

/// The same memory as a CPU tensor, for use within a kernel.
Tensor within_kernel(const Tensor& tensor) {
  if (tensor.device().type() != kDeviceType) return tensor;
  return at::from_blob(seen_by_kernels(tensor.data_ptr()), tensor.sizes(), tensor.strides(),
                       tensor.options().device(at::kCPU));
}

Tensor moved(const Tensor& tensor, c10::Device device) {
  return tensor.defined() ? tensor.to(device) : tensor;
}

// --- Memory --------------------------------------------------------------------------------------

Tensor empty(IntArrayRef size, Optional<at::ScalarType> type, Optional<at::Layout>,
             Optional<at::Device> device, Optional<bool>, Optional<at::MemoryFormat> format) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_generic(size, &allocator(), kKeys, type.value_or(at::kFloat), format);
}

Tensor empty_strided(IntArrayRef size, IntArrayRef stride, Optional<at::ScalarType> type,
                     Optional<at::Layout>, Optional<at::Device> device, Optional<bool>) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_strided_generic(size, stride, &allocator(), kKeys,
                                           type.value_or(at::kFloat));
}

const Tensor& resize(const Tensor& self, IntArrayRef size, Optional<at::MemoryFormat>) {
  const size_t needed = at::detail::computeStorageNbytesContiguous(size, self.itemsize(),
                                                                   size_t(self.storage_offset()));
  c10::StorageImpl* storage = self.storage().unsafeGetStorageImpl();
  if (storage->nbytes() < needed) {
    c10::DataPtr larger = allocator().allocate(needed);
    std::memcpy(seen_by_kernels(larger.get()), seen_by_kernels(storage->data()), storage->nbytes());
    storage->set_data_ptr_noswap(std::move(larger));
    storage->set_nbytes(needed);
  }
  self.unsafeGetTensorImpl()->set_sizes_contiguous(size);
  return self;
}

/// Copies between the host and a device, or within one. An asynchronous copy to the host takes
/// effect later; until then the host tensor holds NaN.
Tensor copy_from(const Tensor& from, const Tensor& to, bool non_blocking) {
  do_postponed_work();
  if (non_blocking && from.device() != to.device()) {
    if (to.is_cpu() && to.is_floating_point()) to.fill_(std::nan(""));
    postpone([from, to] { within_kernel(to).copy_(within_kernel(from)); });
  } else {
    within_kernel(to).copy_(within_kernel(from));
  }
  return to;
}

Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  if (to.sizes() != from.sizes()) to.resize_(from.sizes());
  return copy_from(from, to, false);
}

at::Scalar local_scalar(const Tensor& self) {
  do_postponed_work();
  return within_kernel(self).item();
}

// --- Views ---------------------------------------------------------------------------------------

Tensor as_strided(const Tensor& self, IntArrayRef size, IntArrayRef stride,
                  Optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

Tensor view(const Tensor& self, IntArrayRef size) { return at::native::view(self, size); }

Tensor reshape_alias(const Tensor& self, IntArrayRef size, IntArrayRef stride) {
  return at::native::_reshape_alias(self, size, stride);
}

// --- Convolutions, which have separate entry points ----------------------------------------------

Tensor convolution(const Tensor& input, const Tensor& weight, const Optional<Tensor>& bias,
                   IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, bool transposed,
                   IntArrayRef output_padding, int64_t groups) {
  do_postponed_work();
  warn_of_fallback("aten::convolution_overrideable");
  Optional<Tensor> own_bias;
  if (bias && bias->defined()) own_bias = within_kernel(*bias);
  return moved(at::convolution(within_kernel(input), within_kernel(weight), own_bias, stride,
                               padding, dilation, transposed, output_padding, groups),
               input.device());
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(const Tensor& gradient, const Tensor& input,
                                                        const Tensor& weight, IntArrayRef stride,
                                                        IntArrayRef padding, IntArrayRef dilation,
                                                        bool transposed, IntArrayRef output_padding,
                                                        int64_t groups, std::array<bool, 3> mask) {
  do_postponed_work();
  warn_of_fallback("aten::convolution_backward_overrideable");
  const std::array<int64_t, 1> bias = {weight.size(0)};
  auto [of_input, of_weight, of_bias] = at::convolution_backward(
      within_kernel(gradient), within_kernel(input), within_kernel(weight), IntArrayRef(bias),
      stride, padding, dilation, transposed, output_padding, groups, mask);
  return {moved(of_input, input.device()), moved(of_weight, input.device()),
          moved(of_bias, input.device())};
}

// --- The rest ------------------------------------------------------------------------------------

void check_argument(const std::string& name, const Tensor& tensor, c10::Device& device) {
  if (!tensor.defined()) return;
  TORCH_CHECK(tensor.dim() == 0 || tensor.scalar_type() != at::kDouble, name,
              ": the NPU does not compute in float64");
  if (tensor.is_cpu() && tensor.dim() == 0) return;  // is passed as a number
  if (device.is_cpu()) device = tensor.device();
  TORCH_CHECK(tensor.device() == device && !tensor.is_cpu(), name, ": a tensor on ",
              tensor.device(), " among tensors on an NPU");
}

void check_arguments(const std::string& name, const c10::OperatorHandle& op,
                     const torch::jit::Stack& stack) {
  TORCH_CHECK(!op.hasTag(at::Tag::nondeterministic_seeded), name,
              ": random numbers must come from the CPU's generators");
  c10::Device device(at::kCPU);
  for (const c10::IValue& argument : torch::jit::last(stack, op.schema().arguments().size())) {
    if (argument.isTensor()) {
      check_argument(name, argument.toTensor(), device);
    } else if (argument.isTensorList()) {
      for (const Tensor& tensor : argument.toTensorVector()) check_argument(name, tensor, device);
    } else if (argument.isOptionalTensorList()) {
      for (const Optional<Tensor>& tensor : argument.toOptionalTensorList().vec()) {
        if (tensor) check_argument(name, *tensor, device);
      }
    }
  }
}

void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  do_postponed_work();
  const std::string name = toString(op.schema().operator_name());
  check_arguments(name, op, *stack);
  warn_of_fallback(name);
  at::native::cpu_fallback(op, stack);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("resize_", &resize);
  library.impl("_copy_from", &copy_from);
  library.impl("_copy_from_and_resize", &copy_from_and_resize);
  library.impl("_local_scalar_dense", &local_scalar);
  library.impl("as_strided", &as_strided);
  library.impl("view", &view);
  library.impl("_reshape_alias", &reshape_alias);
  // Without these kernels ATen would decompose the operators, which torch_npu doesn't.
  for (const char* name : {"native_group_norm", "native_layer_norm"}) {
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<&fallback>());
  }
  library.impl("convolution_overrideable", &convolution);
  library.impl("convolution_backward_overrideable", &convolution_backward);
}

/// torch_npu's attention, with its schema, composed of differentiable operators.
using Attention = std::tuple<Tensor, Tensor, Tensor, Tensor, int64_t, int64_t, int64_t>;
Attention fusion_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                           int64_t heads, c10::string_view layout, const Optional<Tensor>&,
                           const Optional<Tensor>&, const Optional<Tensor>& mask, double scale,
                           double, int64_t, int64_t, int64_t, at::OptionalIntArrayRef,
                           at::OptionalIntArrayRef, at::OptionalIntArrayRef, int64_t, bool, bool,
                           c10::string_view, const Optional<Tensor>&, const Optional<Tensor>&,
                           int64_t, int64_t) {
  TORCH_CHECK(layout == "BSH", "simulated NPU: attention takes the layout BSH");
  warn_of_fallback("npu::npu_fusion_attention");
  const auto split = [heads](const Tensor& x) {
    return x.unflatten(-1, {heads, x.size(-1) / heads}).transpose(1, 2);  // [B, N, S, D]
  };
  Tensor scores = at::matmul(split(query), split(key).transpose(-2, -1));
  scores = scores.mul(scale);
  if (mask) scores = scores.masked_fill(*mask, -std::numeric_limits<float>::infinity());
  const Tensor mixed = at::matmul(at::softmax(scores, -1), split(value));
  const Tensor none = at::empty({0}, query.options());
  return {mixed.transpose(1, 2).flatten(2), none, none, none, 0, 0, 0};
}

TORCH_LIBRARY(npu, library) {
  library.def(
      "npu_fusion_attention(Tensor query, Tensor key, Tensor value, int head_num, str "
      "input_layout, Tensor? pse=None, Tensor? padding_mask=None, Tensor? atten_mask=None, float "
      "scale=1., float keep_prob=1., int pre_tockens=2147483647, int next_tockens=2147483647, int "
      "inner_precise=0, int[]? prefix=None, int[]? actual_seq_qlen=None, int[]? "
      "actual_seq_kvlen=None, int sparse_mode=0, bool gen_mask_parallel=True, bool sync=False, str "
      "softmax_layout=\"\", Tensor? sink=None, Tensor? dropout_mask=None, int seed=0, int "
      "offset=0) -> (Tensor, Tensor, Tensor, Tensor, int, int, int)",
      torch::CppFunction(&fusion_attention));
}

}  // namespace
}  // namespace simulated_npu
