/* What a device's plugin exports so that several processes can add up tensors on that device: the
 * maker of its c10d backend (ProcessGroupNCCL, ProcessGroupHCCL). The plugin and sdxl share one
 * LibTorch, so that objects of c10d may cross; no exception does.
 *
 * sdxl looks for the symbol "sdxl_make_process_group" in libsdxl_cuda.so for --device cuda and in
 * libsdxl_npu.so for --device npu, and calls it once in each process of a run. */
#ifndef SDXL_PROCESS_GROUP_H_
#define SDXL_PROCESS_GROUP_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDXL_PROCESS_GROUP_ABI 1

typedef struct sdxl_process_group_request {
  int32_t abi;        /* SDXL_PROCESS_GROUP_ABI of the caller; refuse another. */
  int32_t rank, size; /* Of this process among all. */
  int32_t device;     /* N of cuda:N or npu:N, this process's own. */
  int64_t timeout_ms; /* After which a collective must end with an error. */
  void* store;        /* c10d::Store*, borrowed: take a reference of your own
                         (c10::intrusive_ptr<c10d::Store>::reclaim_copy). All keys are the
                         plugin's. */
} sdxl_process_group_request;

/* The new backend, a c10d::Backend* whose one reference passes to the caller (what
 * intrusive_ptr::release() gives); it must do allreduce, reduce and broadcast, and abort() must end
 * what is under way. Null on failure, with the reason as text of one line in `message`. */
typedef void* (*sdxl_process_group_maker)(const sdxl_process_group_request* request, char* message,
                                          uint64_t message_size);

#ifdef __cplusplus
}
#endif

#endif /* SDXL_PROCESS_GROUP_H_ */
