/* What a device's plugin exports besides process groups: fused operators on memory of that device.
 * Plain C over raw pointers and a stream, so that the plugin needs neither LibTorch nor its
 * compiler. libsdxl_cuda.so exports them as "sdxl_operators_table"; without it everything is
 * computed by LibTorch's own operators.
 *
 * Every function queues its work on `stream` and returns at once: 0, or the device library's error
 * code when the work could not be queued; -1 when the arguments are none that it serves, in which
 * case nothing was queued. Pointers are to memory of the current device, valid until the stream has
 * passed. Sums are added in a fixed order: the same input gives the same bits. */
#ifndef SDXL_OPERATORS_H_
#define SDXL_OPERATORS_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDXL_OPERATORS_ABI 1

enum sdxl_type { SDXL_FLOAT32 = 0, SDXL_FLOAT16 = 1, SDXL_BFLOAT16 = 2 };

/* Group normalisation over channels-last maps [batch, cells, channels] of `type`, all tensors of
 * that type unless said. */
typedef struct sdxl_group_norm {
  int32_t type;
  int32_t groups;
  int64_t batch, cells, channels; /* Channels are a multiple of groups and of 8. */
  float epsilon;
  int32_t silu; /* Whether x * sigmoid(x) follows. */
} sdxl_group_norm;

/* One tensor of an AdamW step. */
typedef struct sdxl_adamw_tensor {
  int64_t size;
  void* weight;          /* float32, or bfloat16 that is rounded stochastically */
  void* working;         /* the model's copy in `working_type`, rewritten; null without one */
  const void* gradient;  /* of `gradient_type` */
  void *mean, *variance; /* float32, or 8-bit codes where there are scales */
  float *mean_scales, *variance_scales; /* one for each 256 elements; null for float32 states */
  int32_t weight_type, working_type, gradient_type;
  float decay;     /* 1 - rate * weight decay */
  float step_size; /* rate / (1 - beta1^step) */
  uint32_t rounding_seed;
} sdxl_adamw_tensor;

/* What all tensors of a step share. */
typedef struct sdxl_adamw_step {
  float gradient_scale, beta1, one_minus_beta1, beta2, one_minus_beta2, correction2_sqrt, epsilon;
  /* Means as m + one_minus_beta1 * (g - m), as torch.optim; otherwise as m * beta1 +
   * one_minus_beta1 * g, as bitsandbytes. */
  int32_t lerp;
  /* The 256 ascending values of the 8-bit codes (host memory, copied); null without 8-bit states.
   */
  const float *signed_values, *unsigned_values;
} sdxl_adamw_step;

typedef struct sdxl_operators {
  /* Floats of workspace that a group norm of this shape needs; 0 for a shape that is not served. */
  int64_t (*group_norm_workspace)(const sdxl_group_norm* shape);
  /* y = norm(x + shift), silu of it if asked. `shift` [batch, channels] may be null. Writes `mean`
   * and `rstd` [batch, groups] float32. */
  int (*group_norm_forward)(const sdxl_group_norm* shape, const void* x, const void* shift,
                            const void* weight, const void* bias, void* y, float* mean, float* rstd,
                            float* workspace, void* stream);
  /* The gradient of x (and of each row of shift: its sum over cells), of weight and of bias; the
   * latter two, float32 [channels], may both be null. */
  int (*group_norm_backward)(const sdxl_group_norm* shape, const void* gradient, const void* x,
                             const void* shift, const void* weight, const void* bias,
                             const float* mean, const float* rstd, void* x_gradient,
                             float* weight_gradient, float* bias_gradient, float* workspace,
                             void* stream);
  /* [rows, 2 * width] = (values, gates) -> values * gelu(gates) [rows, width], width a multiple
   * of 8. */
  int (*geglu_forward)(int32_t type, int64_t rows, int64_t width, const void* x, void* y,
                       void* stream);
  int (*geglu_backward)(int32_t type, int64_t rows, int64_t width, const void* gradient,
                        const void* x, void* x_gradient, void* stream);
  /* One step of AdamW for `count` tensors. */
  int (*adamw)(const sdxl_adamw_step* step, const sdxl_adamw_tensor* tensors, int64_t count,
               void* stream);
} sdxl_operators;

/* Null unless `abi` is SDXL_OPERATORS_ABI of the plugin's build. Exported as
 * "sdxl_operators_table". */
typedef const sdxl_operators* (*sdxl_operators_entry)(int abi);

#ifdef __cplusplus
}
#endif

#endif /* SDXL_OPERATORS_H_ */
