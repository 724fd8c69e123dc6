// The functions of include/sdxl/operators.h.
#pragma once

#include "sdxl/operators.h"

namespace sdxl::kernels {

int64_t group_norm_workspace(const sdxl_group_norm* shape);
int group_norm_forward(const sdxl_group_norm* shape, const void* x, const void* shift,
                       const void* weight, const void* bias, void* y, float* mean, float* rstd,
                       float* workspace, void* stream);
int group_norm_backward(const sdxl_group_norm* shape, const void* gradient, const void* x,
                        const void* shift, const void* weight, const void* bias, const float* mean,
                        const float* rstd, void* x_gradient, float* weight_gradient,
                        float* bias_gradient, float* workspace, void* stream);
int geglu_forward(int32_t type, int64_t rows, int64_t width, const void* x, void* y, void* stream);
int geglu_backward(int32_t type, int64_t rows, int64_t width, const void* gradient, const void* x,
                   void* x_gradient, void* stream);
int adamw(const sdxl_adamw_step* step, const sdxl_adamw_tensor* tensors, int64_t count,
          void* stream);

}  // namespace sdxl::kernels
