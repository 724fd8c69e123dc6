/* What a device's plugin exports to record work once and queue it again as a whole, which saves the
 * host the launches of its kernels. libsdxl_cuda.so exports it as "sdxl_graphs_table", on CUDA
 * graphs; without it every call is queued kernel by kernel.
 *
 * Functions that can fail write why, as one line, into `message` of `message_size` bytes. */
#ifndef SDXL_GRAPHS_H_
#define SDXL_GRAPHS_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDXL_GRAPHS_ABI 1

typedef struct sdxl_graphs {
  /* From here to end() what this thread queues on its current device is recorded rather than done,
   * on a stream that takes the current one's place; tensors made meanwhile lie in memory of the
   * graph's own. Waits for the device and gives back what its allocator holds unused. Null where it
   * can't be. */
  void* (*begin)(char* message, uint64_t message_size);
  /* Puts the stream back. 0, or an error after which only release() may follow; with `discard`
   * nothing is kept and 0 comes back. */
  int (*end)(void* graph, int discard, char* message, uint64_t message_size);
  /* Queues what was recorded on the current stream, and waits until the replay before this one has
   * passed. 0 or an error. */
  int (*replay)(void* graph, char* message, uint64_t message_size);
  /* Waits for the device; then the graph's memory is free but for that of tensors that live. */
  void (*release)(void* graph);
} sdxl_graphs;

/* Null unless `abi` is SDXL_GRAPHS_ABI of the plugin's build. Exported as "sdxl_graphs_table". */
typedef const sdxl_graphs* (*sdxl_graphs_entry)(int abi);

#ifdef __cplusplus
}
#endif

#endif /* SDXL_GRAPHS_H_ */
