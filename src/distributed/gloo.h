// c10d's Gloo group, for tensors in the host's memory.
#pragma once

#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace sdxl {

/// Talks over the network interface that $GLOO_SOCKET_IFNAME names, else over the one that leads to
/// `address`. Connections are made when they are first needed.
c10::intrusive_ptr<c10d::Backend> make_gloo_group(const c10::intrusive_ptr<c10d::Store>& store,
                                                  int64_t rank, int64_t size,
                                                  std::chrono::milliseconds timeout,
                                                  const std::string& address, uint16_t port);

}  // namespace sdxl
