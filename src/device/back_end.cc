#include "device/back_end.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace sdxl {

void BackEnd::use(const at::Device& device) {
  c10::impl::VirtualGuardImpl(device.type()).setDevice(device);
}

}  // namespace sdxl
