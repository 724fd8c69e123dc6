/* A device plugin's fused operators. They take raw pointers and a stream, so that the plugin needs
 * neither LibTorch nor its compiler. libsdxl_cuda.so exports "sdxl_operators_table". Without it
 * LibTorch's operators are used.
 *
 * Every function queues its work on `stream` and returns at once: 0 on success, the device
 * library's error code if the work cannot be queued, or -1 if it does not support the arguments, in
 * which case it queues nothing. Pointers are to memory of the current device, valid until the
 * stream has finished the work. Sums have a fixed order: equal inputs give equal bits. */
#ifndef SDXL_OPERATORS_H_
#define SDXL_OPERATORS_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDXL_OPERATORS_ABI 1

enum sdxl_type { SDXL_FLOAT32 = 0, SDXL_FLOAT16 = 1, SDXL_BFLOAT16 = 2 };

/* Group normalisation over channels-last maps [batch, cells, channels]. Tensors have the type
 * `type` unless stated otherwise. */
typedef struct sdxl_group_norm {
  int32_t type;
  int32_t groups;
  int64_t batch, cells, channels; /* channels is a multiple of groups and of 8 */
  float epsilon;
  int32_t silu; /* whether x * sigmoid(x) follows */
} sdxl_group_norm;

/* One tensor of an AdamW step. */
typedef struct sdxl_adamw_tensor {
  int64_t size;
  void* weight;          /* float32, or bfloat16 with stochastic rounding */
  void* working;         /* the model's copy in `working_type`, overwritten; may be null */
  const void* gradient;  /* of `gradient_type` */
  void *mean, *variance; /* float32, or 8-bit codes if there are scales */
  float *mean_scales, *variance_scales; /* one per 256 elements; null for float32 states */
  int32_t weight_type, working_type, gradient_type;
  float decay;     /* 1 - learning rate * weight decay */
  float step_size; /* learning rate / (1 - beta1^step) */
  uint32_t rounding_seed;
} sdxl_adamw_tensor;

/* The parameters of a step, for all its tensors. */
typedef struct sdxl_adamw_step {
  float gradient_scale, beta1, one_minus_beta1, beta2, one_minus_beta2, correction2_sqrt, epsilon;
  /* Whether means are m + one_minus_beta1 * (g - m), as in torch.optim, or else m * beta1 +
   * one_minus_beta1 * g, as in bitsandbytes. */
  int32_t lerp;
  /* The 256 values of the 8-bit codes, ascending, in host memory; null for float32 states. */
  const float *signed_values, *unsigned_values;
} sdxl_adamw_step;

typedef struct sdxl_operators {
  /* Returns the workspace in floats that a group norm of this shape needs; 0 if unsupported. */
  int64_t (*group_norm_workspace)(const sdxl_group_norm* shape);
  /* y = norm(x + shift), then silu if `silu`. `shift` [batch, channels] may be null. Writes `mean`
   * and `rstd`, float32 [batch, groups]. */
  int (*group_norm_forward)(const sdxl_group_norm* shape, const void* x, const void* shift,
                            const void* weight, const void* bias, void* y, float* mean, float* rstd,
                            float* workspace, void* stream);
  /* The gradients of x, weight and bias. The gradient of shift is that of x summed over cells. The
   * gradients of weight and bias, float32 [channels], may both be null. */
  int (*group_norm_backward)(const sdxl_group_norm* shape, const void* gradient, const void* x,
                             const void* shift, const void* weight, const void* bias,
                             const float* mean, const float* rstd, void* x_gradient,
                             float* weight_gradient, float* bias_gradient, float* workspace,
                             void* stream);
  /* From (values, gates) = x [rows, 2 * width] computes y = values * gelu(gates) [rows, width].
   * `width` is a multiple of 8. */
  int (*geglu_forward)(int32_t type, int64_t rows, int64_t width, const void* x, void* y,
                       void* stream);
  int (*geglu_backward)(int32_t type, int64_t rows, int64_t width, const void* gradient,
                        const void* x, void* x_gradient, void* stream);
  /* One step of AdamW for `count` tensors. */
  int (*adamw)(const sdxl_adamw_step* step, const sdxl_adamw_tensor* tensors, int64_t count,
               void* stream);
} sdxl_operators;

/* Returns null unless `abi` is the plugin's SDXL_OPERATORS_ABI. Exported as "sdxl_operators_table".
 */
typedef const sdxl_operators* (*sdxl_operators_entry)(int abi);

#ifdef __cplusplus
}
#endif

#endif /* SDXL_OPERATORS_H_ */
