// The interface of a back end: a vendor's libraries, opened at run time, on which ATen computes. To
// add one, write a file such as cuda.cc and list it in registry.cc (docs/back-ends.md).
#pragma once

#include <c10/core/Device.h>
#include <c10/core/DeviceType.h>

#include <string>
#include <utility>
#include <vector>

#include "device/compute_options.h"
#include "sdxl/graphs.h"
#include "sdxl/operators.h"

namespace sdxl {

struct DeviceDescription {
  std::string name;     ///< "cuda:0"
  std::string model;    ///< "NVIDIA H100 80GB HBM3"
  uint64_t memory = 0;  ///< Bytes; 0 if unknown.
  std::string note;     ///< A remark for the user, such as that LibTorch has no kernels for it.
};

class BackEnd {
 public:
  virtual ~BackEnd() = default;
  virtual std::string name() const = 0;  ///< As in --device.
  virtual c10::DeviceType type() const = 0;

  /// Prepares the environment and opens the vendor's libraries, after which ATen computes on these
  /// devices. Error(kUnavailable) says what is missing, where it was searched for, and the remedy.
  virtual void open() = 0;
  /// The devices, found without opening large libraries if possible. Throws as open() does.
  virtual std::vector<DeviceDescription> devices() = 0;
  /// Names and versions of what is installed, for `sdxl devices`.
  virtual std::vector<std::pair<std::string, std::string>> versions() = 0;

  // The members below require open().

  virtual int device_count() { return static_cast<int>(devices().size()); }
  /// Makes `device` this thread's current device. c10::Error if it cannot be used.
  virtual void use(const at::Device& device);
  virtual void configure(const ComputeOptions&) {}
  /// The attention chosen by configure(); null for ATen's.
  virtual FusedAttention attention() const { return nullptr; }
  /// Whether convolutions are faster with channels last.
  virtual bool prefers_channels_last() const { return false; }
  /// Whether ATen's pin_memory() works with it.
  virtual bool pins_memory() const { return false; }
  /// The plugin's fused operators; null without a plugin.
  virtual const sdxl_operators* operators() const { return nullptr; }
  /// The plugin's graphs; null if it has none.
  virtual const sdxl_graphs* graphs() const { return nullptr; }
};

}  // namespace sdxl
