// The only file that includes ProcessGroupGloo.hpp; third_party/gloo_declarations says why.
#include "distributed/gloo.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "base/environment.h"

namespace sdxl {
namespace {

/// The numeric address of the interface that routes to `address`; "" if there is none.
std::string local_address_towards(const std::string& address, uint16_t port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return "";
  std::string local;
  for (const addrinfo* each = found; each != nullptr && local.empty(); each = each->ai_next) {
    const int descriptor = ::socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, 0);
    if (descriptor < 0) continue;
    sockaddr_storage name = {};
    socklen_t size = sizeof name;
    std::array<char, 64> text;
    // Connecting a datagram socket sends nothing; it only chooses the interface.
    if (::connect(descriptor, each->ai_addr, each->ai_addrlen) == 0 &&
        ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &size) == 0 &&
        ::getnameinfo(reinterpret_cast<sockaddr*>(&name), size, text.data(), text.size(), nullptr,
                      0, NI_NUMERICHOST) == 0) {
      local = text.data();
    }
    ::close(descriptor);
  }
  ::freeaddrinfo(found);
  return local;
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_gloo_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                  int64_t rank, int64_t size,
                                                  std::chrono::milliseconds timeout,
                                                  const std::string& address, uint16_t port) {
  constexpr bool kLazily = true;
  auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  const std::string interface = environment("GLOO_SOCKET_IFNAME");
  const std::string local = local_address_towards(address, port);
  options->devices.push_back(
      !interface.empty() ? c10d::ProcessGroupGloo::createDeviceForInterface(interface, kLazily)
      : local.empty()    ? c10d::ProcessGroupGloo::createDefaultDevice(kLazily)
                         : c10d::ProcessGroupGloo::createDeviceForHostname(local, kLazily));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(rank),
                                                     static_cast<int>(size), options);
}

}  // namespace sdxl
