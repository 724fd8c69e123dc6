// As much of CANN as libtorch_npu.so of the torch-npu wheel links: one device, whose memory is the
// host's and whose streams have always finished. With it npu_check.py opens the real library where
// there is no NPU; operators need the real CANN.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int aclError;

static int device = -1;
static char context;

aclError aclrtGetDeviceCount(uint32_t* count) {
  const char* given = getenv("CANN_STUB_DEVICES");
  *count = given ? (uint32_t)atoi(given) : 1;
  return 0;
}
aclError aclrtSetDevice(int32_t id) {
  device = id;
  return 0;
}
aclError aclrtGetDevice(int32_t* id) {
  if (device < 0) return 107002;  // ACL_ERROR_RT_CONTEXT_NULL
  *id = device;
  return 0;
}
const char* aclrtGetSocName(void) { return "Ascend910B2"; }
aclError aclrtGetMemInfo(int attribute, size_t* free, size_t* total) {
  (void)attribute;
  *total = (size_t)64 << 30;
  *free = (size_t)63 << 30;
  return 0;
}
aclError aclrtMalloc(void** pointer, size_t size, int policy) {
  (void)policy;
  return posix_memalign(pointer, 512, size) != 0;
}
aclError aclrtMallocAlign32(void** pointer, size_t size, int policy) {
  return aclrtMalloc(pointer, size, policy);
}
aclError aclrtMallocHost(void** pointer, size_t size) {
  return posix_memalign(pointer, 512, size) != 0;
}
aclError aclrtFree(void* pointer) {
  free(pointer);
  return 0;
}
aclError aclrtFreeHost(void* pointer) {
  free(pointer);
  return 0;
}
aclError aclrtMemcpy(void* to, size_t room, const void* from, size_t size, int kind) {
  (void)room, (void)kind;
  memcpy(to, from, size);
  return 0;
}
aclError aclrtMemcpyAsync(void* to, size_t room, const void* from, size_t size, int kind,
                          void* stream) {
  (void)stream;
  return aclrtMemcpy(to, room, from, size, kind);
}
aclError aclrtMemset(void* to, size_t room, int32_t value, size_t size) {
  (void)room;
  memset(to, value, size);
  return 0;
}
aclError aclrtGetCurrentContext(void** current) {
  *current = &context;
  return 0;
}
aclError aclrtCreateStream(void** stream) {
  *stream = malloc(1);
  return 0;
}
aclError aclrtCreateStreamWithConfig(void** stream, uint32_t priority, uint32_t flag) {
  (void)priority, (void)flag;
  return aclrtCreateStream(stream);
}
aclError aclrtCreateEventExWithFlag(void** event, uint32_t flag) {
  (void)flag;
  return aclrtCreateStream(event);
}
const char* aclGetRecentErrMsg(void) { return ""; }

#define SUCCEEDS(name) \
  long name(void) { return 0; }
SUCCEEDS(MsprofGetHashId)
SUCCEEDS(MsprofRegisterCallback)
SUCCEEDS(MsprofReportAdditionalInfo)
SUCCEEDS(MsprofReportApi)
SUCCEEDS(MsprofReportCompactInfo)
SUCCEEDS(MsprofSysCycleTime)
SUCCEEDS(aclAppLog)
SUCCEEDS(aclCreateDataBuffer)
SUCCEEDS(aclCreateTensorDesc)
SUCCEEDS(aclDestroyDataBuffer)
SUCCEEDS(aclDestroyTensorDesc)
SUCCEEDS(aclFinalize)
SUCCEEDS(aclGetDeviceCapability)
SUCCEEDS(aclGetTensorDescDimV2)
SUCCEEDS(aclGetTensorDescFormat)
SUCCEEDS(aclGetTensorDescNumDims)
SUCCEEDS(aclGetTensorDescType)
SUCCEEDS(aclInit)
SUCCEEDS(aclSetTensorDescName)
SUCCEEDS(aclSetTensorFormat)
SUCCEEDS(aclSetTensorPlaceMent)
SUCCEEDS(aclSetTensorShape)
SUCCEEDS(aclmdlFinalizeDump)
SUCCEEDS(aclmdlInitDump)
SUCCEEDS(aclmdlSetDump)
SUCCEEDS(aclopCompileAndExecute)
SUCCEEDS(aclopCreateAttr)
SUCCEEDS(aclopDestroyAttr)
SUCCEEDS(aclopSetAttrBool)
SUCCEEDS(aclopSetAttrDataType)
SUCCEEDS(aclopSetAttrFloat)
SUCCEEDS(aclopSetAttrInt)
SUCCEEDS(aclopSetAttrListBool)
SUCCEEDS(aclopSetAttrListFloat)
SUCCEEDS(aclopSetAttrListInt)
SUCCEEDS(aclopSetAttrListListInt)
SUCCEEDS(aclopSetAttrString)
SUCCEEDS(aclrtDestroyEvent)
SUCCEEDS(aclrtDestroyStream)
SUCCEEDS(aclrtDeviceCanAccessPeer)
SUCCEEDS(aclrtDeviceEnablePeerAccess)
SUCCEEDS(aclrtDeviceGetBareTgid)
SUCCEEDS(aclrtEventElapsedTime)
SUCCEEDS(aclrtFreePhysical)
SUCCEEDS(aclrtMallocPhysical)
SUCCEEDS(aclrtMapMem)
SUCCEEDS(aclrtMemExportToShareableHandle)
SUCCEEDS(aclrtMemImportFromShareableHandle)
SUCCEEDS(aclrtMemSetPidToShareableHandle)
SUCCEEDS(aclrtProcessReport)
SUCCEEDS(aclrtRecordEvent)
SUCCEEDS(aclrtReleaseMemAddress)
SUCCEEDS(aclrtReserveMemAddress)
SUCCEEDS(aclrtResetDevice)
SUCCEEDS(aclrtResetEvent)
SUCCEEDS(aclrtSetCurrentContext)
SUCCEEDS(aclrtStreamWaitEvent)
SUCCEEDS(aclrtSynchronizeEvent)
SUCCEEDS(aclrtSynchronizeStream)
SUCCEEDS(aclrtUnmapMem)
SUCCEEDS(rtDevBinaryRegister)
SUCCEEDS(rtFunctionRegister)
SUCCEEDS(rtKernelLaunch)
SUCCEEDS(aclrtSetDeviceSatMode)
SUCCEEDS(aclrtSetOpExecuteTimeOut)
SUCCEEDS(aclrtSynchronizeDevice)
SUCCEEDS(aclrtSynchronizeStreamWithTimeout)
SUCCEEDS(aclrtSynchronizeDeviceWithTimeout)
SUCCEEDS(aclrtGetStreamOverflowSwitch)
SUCCEEDS(aclrtSetStreamOverflowSwitch)
SUCCEEDS(aclrtCtxSetSysParamOpt)
SUCCEEDS(aclrtSetSysParamOpt)
SUCCEEDS(aclSetCompileopt)
SUCCEEDS(aclrtDestroyStreamForce)
SUCCEEDS(aclrtQueryEventStatus)
SUCCEEDS(aclrtStreamQuery)
SUCCEEDS(aclrtSetStreamFailureMode)
SUCCEEDS(aclsysGetCANNVersion)
SUCCEEDS(aclrtGetSysParamOpt)
