/* A device plugin's graphs: captures work once and replays it as a whole, which saves the host the
 * launches of its kernels. libsdxl_cuda.so exports "sdxl_graphs_table", on CUDA graphs. Without it
 * every kernel is launched by itself.
 *
 * Functions that can fail write the reason, as one line, to `message` of `message_size` bytes. */
#ifndef SDXL_GRAPHS_H_
#define SDXL_GRAPHS_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDXL_GRAPHS_ABI 1

typedef struct sdxl_graphs {
  /* Starts a capture: until end(), the kernels that this thread launches on its current device are
   * captured instead of executed. Replaces the current stream; tensors created meanwhile use the
   * graph's memory pool. Waits for the device and empties its allocator's cache first. Returns the
   * graph, or null on failure. */
  void* (*begin)(char* message, uint64_t message_size);
  /* Ends the capture and restores the stream. Returns 0, or an error, after which only release() is
   * allowed. With `discard` drops the captured work and returns 0. */
  int (*end)(void* graph, int discard, char* message, uint64_t message_size);
  /* Launches the captured work on the current stream and waits for the previous replay. Returns 0
   * or an error. */
  int (*replay)(void* graph, char* message, uint64_t message_size);
  /* Waits for the device and frees the graph, except the memory of tensors that are still alive. */
  void (*release)(void* graph);
} sdxl_graphs;

/* Returns null unless `abi` is the plugin's SDXL_GRAPHS_ABI. Exported as "sdxl_graphs_table". */
typedef const sdxl_graphs* (*sdxl_graphs_entry)(int abi);

#ifdef __cplusplus
}
#endif

#endif /* SDXL_GRAPHS_H_ */
