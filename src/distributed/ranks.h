// The processes of a distributed run. A run of one process uses Ranks itself, whose collectives
// return at once; more processes use the subclass that join_ranks() returns, on LibTorch's c10d.
//
// All members except abort() are collective: every rank calls them in the same order. They throw
// RankLost, with the exit status of the rank that died, hangs or stopped the run.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace sdxl {

/// Another rank ended the run; the message names it.
class RankLost : public Error {
 public:
  using Error::Error;
};

/// An asynchronous collective. It keeps its tensor alive. Without a wait() it may still write to
/// the tensor after it is destroyed.
class Transfer {
 public:
  virtual ~Transfer() = default;
  virtual void wait() = 0;
};

class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual int64_t rank() const { return 0; }
  virtual int64_t size() const { return 1; }
  bool is_single() const { return size() == 1; }
  /// Whether this is rank 0, which writes logs and files.
  bool is_first() const { return rank() == 0; }

  /// Sums `tensor` over all ranks in place; every rank gets the same bits. The tensor is dense,
  /// float32 or float64, on the run's device.
  virtual std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& tensor);
  /// Sums into the tensor of rank `owner`; the other ranks' contents are undefined afterwards.
  virtual std::unique_ptr<Transfer> start_reduce(const at::Tensor& tensor, int64_t owner);
  /// Overwrites `tensor`, of any dtype, with that of rank `owner`.
  virtual std::unique_ptr<Transfer> start_broadcast(const at::Tensor& tensor, int64_t owner);

  /// The texts of all ranks, in the order of ranks.
  virtual std::vector<std::string> all_gather_text(const std::string& text) { return {text}; }
  /// The text of rank `from`.
  virtual std::string broadcast_text(const std::string& text, int64_t from = 0);
  /// Copies the tensor of rank `from` to rank 0, on the CPU; other ranks get an undefined tensor.
  /// `like` gives shape and dtype on all ranks and may be a meta tensor.
  virtual at::Tensor send_to_first(const at::Tensor& tensor, const at::Tensor& like, int64_t from);
  /// Waits for all ranks without a time limit, for phases of unequal length such as filling caches
  /// and writing checkpoints. Still fails if a rank dies.
  virtual void barrier() {}

  /// Tells the others that this rank ends the run. They report the first rank that did so. Not
  /// collective; call it before the process ends.
  virtual void abort(ExitStatus, const std::string&) {}
  /// Declares this rank done: failures of other ranks no longer fail the run.
  virtual void finish() {}
};

/// Reduce and broadcast run as a chain, so their latency grows with the number of ranks. Returns
/// the factor by which to enlarge chunks to hide it.
inline int64_t chunk_scale(const Ranks& ranks) { return std::max<int64_t>(1, ranks.size() / 64); }

/// The values of all ranks, in the order of ranks. Collective.
std::vector<Json> all_gather_json(Ranks& ranks, const Json& value);

/// Runs `work` on rank 0 and then on the other ranks, which find what rank 0 left on disk. Returns
/// this rank's result. Collective.
template <typename Work>
auto first_rank_first(Ranks& ranks, const Work& work) {
  if (!ranks.is_first()) ranks.barrier();
  auto result = work();
  if (ranks.is_first()) ranks.barrier();
  return result;
}

/// The values of all ranks, in the order of ranks. Collective.
std::vector<Json> all_gather_json(Ranks& ranks, const Json& value);

/// Error(kUsage) names the first difference unless all ranks run the same build with equal
/// `options`. Collective.
void require_equal_options(Ranks& ranks, const Json& options);

/// A random seed, the same on all ranks; logged. Collective.
uint64_t draw_seed(Ranks& ranks);

/// Error(kBadData) names the first rank whose `text` differs from rank 0's. `what` says in messages
/// what the text stands for ("model"). Collective.
void require_equal_texts(Ranks& ranks, const char* what, const std::string& text);

/// Runs `work`. An exception aborts the run on the other ranks and is rethrown with this rank's
/// number.
ExitStatus run_on_ranks(Ranks& ranks, const std::function<ExitStatus()>& work);

}  // namespace sdxl
