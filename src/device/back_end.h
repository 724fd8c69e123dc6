// The back ends beside the CPU: shared libraries opened at run time, each behind this interface. To
// add one: a file like cuda.cc with a class and its line in the table of device.cc
// (docs/back-ends.md).
#pragma once

#include <c10/core/DeviceType.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "device/device.h"
#include "sdxl/graphs.h"
#include "sdxl/operators.h"

namespace sdxl {

struct DeviceDescription {
  std::string name;     ///< "cuda:0"
  std::string model;    ///< "NVIDIA H100 80GB HBM3"
  uint64_t memory = 0;  ///< Bytes; 0 when it is not known.
  std::string
      note;  ///< What a user should know of it, such as a chip that the library does not serve.
};

/// How a back end computes; set once it is open.
struct ComputeOptions {
  bool allow_tf32 = false;  ///< Products of float32 matrices in TF32 where the device has it.
  /// The same bits from the same run: no operator that adds in an order of chance where another is
  /// to be had. Costs a little speed in backward passes.
  bool repeatable = false;
  /// Attention of the vendor's library instead of ATen's; refused where there is none.
  bool fused_attention = false;
  /// N of a device whose name says none; -1 where that is not known: Error(kUsage), unless it is
  /// the CPU.
  int64_t index = 0;
};

class BackEnd {
 public:
  virtual ~BackEnd() = default;
  virtual std::string name() const = 0;  ///< As in --device.
  virtual c10::DeviceType type() const = 0;

  /// Opens the vendor's libraries, the environment made ready for them first. Error(kUnavailable)
  /// says what is missing, where it was looked for, and the remedy. Once it has come back, ATen
  /// computes on these devices.
  virtual void open() = 0;
  /// The devices, found with as little as that takes; the same errors as open().
  virtual std::vector<DeviceDescription> devices() = 0;
  /// Names and versions of what is installed, for the table of `sdxl devices`.
  virtual std::vector<std::pair<std::string, std::string>> versions() = 0;

  /// How many there are, after open().
  virtual int device_count() { return static_cast<int>(devices().size()); }
  /// Makes one of them this thread's own, after open(). c10::Error if it can't be had.
  virtual void use(const at::Device& device);
  /// After open().
  virtual void configure(const ComputeOptions&) {}
  /// What configure() chose for attention; null for ATen's.
  virtual FusedAttention attention() const { return nullptr; }
  /// Whether convolutions are faster with channels last.
  virtual bool prefers_channels_last() const { return false; }
  /// Whether ATen's pin_memory() serves it.
  virtual bool pins_memory() const { return false; }
  /// The fused operators of its plugin; null without one.
  virtual const sdxl_operators* operators() const { return nullptr; }
  /// How its plugin records work to queue it again (device/graph.h); null where it can't.
  virtual const sdxl_graphs* graphs() const { return nullptr; }
};

std::unique_ptr<BackEnd> make_cuda_back_end();
std::unique_ptr<BackEnd> make_npu_back_end();

/// All back ends, the preferred one first.
const std::vector<std::unique_ptr<BackEnd>>& back_ends();

/// That of `device`; null for the CPU.
BackEnd* back_end_of(const at::Device& device);

}  // namespace sdxl
