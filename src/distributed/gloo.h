// c10d's Gloo backend, for tensors on the CPU.
#pragma once

#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace sdxl {

/// Uses the network interface named by $GLOO_SOCKET_IFNAME, or else the one that routes to
/// `address` (a host name or number, with `port`). Connects lazily.
c10::intrusive_ptr<c10d::Backend> make_gloo_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                  int64_t rank, int64_t size,
                                                  std::chrono::milliseconds timeout,
                                                  const std::string& address, uint16_t port);

}  // namespace sdxl
