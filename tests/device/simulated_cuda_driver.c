/* The part of NVIDIA's driver that counts and describes devices, for tests: one GPU and a driver
 * for CUDA 13.0. */
#include <stddef.h>
#include <string.h>

int cuInit(unsigned flags);
int cuDriverGetVersion(int* version);
int cuDeviceGetCount(int* count);
int cuDeviceGetName(char* name, int size, int device);
int cuDeviceTotalMem_v2(size_t* bytes, int device);
int cuDeviceGetAttribute(int* value, int attribute, int device);

#define EXPORT __attribute__((visibility("default")))

EXPORT int cuInit(unsigned flags) { return (int)flags; }
EXPORT int cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}
EXPORT int cuDeviceGetCount(int* count) {
  *count = 1;
  return 0;
}
EXPORT int cuDeviceGetName(char* name, int size, int device) {
  (void)device;
  strncpy(name, "Simulated V100", (size_t)size);
  return 0;
}
EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  (void)device;
  *bytes = (size_t)16 << 30;
  return 0;
}
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device) {
  (void)device;
  *value = attribute == 75 ? 7 : 0; /* compute capability 7.0 */
  return 0;
}
