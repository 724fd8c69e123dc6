/* A device plugin's function that creates the c10d backend for collectives on that device
 * (ProcessGroupNCCL, ProcessGroupHCCL). Plugin and sdxl share one LibTorch, so c10d's objects may
 * cross the interface; exceptions must not.
 *
 * sdxl looks up "sdxl_make_process_group" in libsdxl_cuda.so for --device cuda and in
 * libsdxl_npu.so for --device npu, and calls it once in each process of a run. */
#ifndef SDXL_PROCESS_GROUP_H_
#define SDXL_PROCESS_GROUP_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDXL_PROCESS_GROUP_ABI 1

typedef struct sdxl_process_group_request {
  int32_t abi;        /* The caller's SDXL_PROCESS_GROUP_ABI; refuse others. */
  int32_t rank, size; /* This process and the number of processes. */
  int32_t device;     /* N of cuda:N or npu:N, for this process. */
  int64_t timeout_ms; /* A collective must fail after this time. */
  void* store;        /* A borrowed c10d::Store*; add a reference by
                         c10::intrusive_ptr<c10d::Store>::reclaim_copy. The
                         plugin may use any key. */
} sdxl_process_group_request;

/* Returns a new c10d::Backend*, whose only reference passes to the caller, as from
 * intrusive_ptr::release(). It must support allreduce, reduce and broadcast, and its abort() must
 * end collectives in flight. On failure returns null and writes the reason, as one line, to
 * `message`. */
typedef void* (*sdxl_process_group_maker)(const sdxl_process_group_request* request, char* message,
                                          uint64_t message_size);

#ifdef __cplusplus
}
#endif

#endif /* SDXL_PROCESS_GROUP_H_ */
