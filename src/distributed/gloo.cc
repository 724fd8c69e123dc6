// The only file that sees ProcessGroupGloo (third_party/gloo_declarations says why).
#include "distributed/gloo.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

namespace sdxl {
namespace {

/// The numeric address of the interface over which `address` is reached; "" if none is.
std::string own_address_towards(const std::string& address, uint16_t port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return "";
  std::string own;
  for (const addrinfo* each = found; each != nullptr && own.empty(); each = each->ai_next) {
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
      own = text.data();
    }
    ::close(descriptor);
  }
  ::freeaddrinfo(found);
  return own;
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_gloo_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                  int64_t rank, int64_t size,
                                                  std::chrono::milliseconds timeout,
                                                  const std::string& address, uint16_t port) {
  constexpr bool kLazily = true;
  auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  const std::string own = own_address_towards(address, port);
  options->devices.push_back(
      interface != nullptr && *interface != '\0'
          ? c10d::ProcessGroupGloo::createDeviceForInterface(interface, kLazily)
      : own.empty() ? c10d::ProcessGroupGloo::createDefaultDevice(kLazily)
                    : c10d::ProcessGroupGloo::createDeviceForHostname(own, kLazily));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(rank),
                                                     static_cast<int>(size), options);
}

}  // namespace sdxl
