// The processes of one run, as the rest of the code sees them. A run of one process has a plain
// Ranks, whose functions have nothing to do; several have the one of join_ranks(), on LibTorch's
// c10d.
//
// All functions but fail() are collective: every rank calls them in the same order. They throw
// Error naming the rank that is lost, hangs or has stopped the run, with that one's status.
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

/// A transfer that goes on while the caller computes. It holds its tensor. One that is never waited
/// for may still write to that.
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
  bool alone() const { return size() == 1; }
  /// The rank that writes logs and files.
  bool is_first() const { return rank() == 0; }

  /// The tensor becomes the sum of all ranks' (the same bits everywhere), or `owner`'s does and the
  /// others' content is void. Dense, float32 or float64, on the run's device.
  virtual std::unique_ptr<Transfer> start_sum(const at::Tensor& tensor);
  virtual std::unique_ptr<Transfer> start_sum_to(const at::Tensor& tensor, int64_t owner);
  /// The tensor becomes `owner`'s. Any dtype.
  virtual std::unique_ptr<Transfer> start_broadcast(const at::Tensor& tensor, int64_t owner);

  /// The texts of all ranks, in their order, to all.
  virtual std::vector<std::string> gather(const std::string& text) { return {text}; }
  /// The text of rank `from`, to all.
  virtual std::string share(const std::string& text, int64_t from = 0);
  /// The tensor of rank `from` in the memory of rank 0 (undefined elsewhere). `like` has its shape
  /// and dtype on all ranks; a meta tensor will do.
  virtual at::Tensor to_first(const at::Tensor& tensor, const at::Tensor& like, int64_t from);
  /// Until all ranks are here, however long that takes: for phases in which ranks work unequally
  /// long, such as filling caches and writing checkpoints. A rank that is lost still ends it.
  virtual void meet() {}

  /// Tells the others that this rank ends the run. The first to say so is what they report. Not
  /// collective; before the process ends.
  virtual void fail(ExitStatus, const std::string&) {}
  /// This rank's work is done: what becomes of the others is no failure of the run.
  virtual void finish() {}
};

/// Sums to one rank and broadcasts from one pass from rank to rank, so that each takes longer the
/// more ranks there are: by how much larger the pieces should be in which they travel.
inline int64_t pieces_in_one(const Ranks& ranks) { return std::max<int64_t>(1, ranks.size() / 64); }

/// What `work` gives, done by the first rank and then by the others, who find what it has left on
/// disk. Collective.
template <typename Work>
auto in_turn(Ranks& ranks, const Work& work) {
  if (!ranks.is_first()) ranks.meet();
  auto result = work();
  if (ranks.is_first()) ranks.meet();
  return result;
}

/// Throws Error(kUsage) naming the first difference unless all ranks run the same build with the
/// same `options`.
void require_equal_options(Ranks& ranks, const Json& options);

/// A random seed, the same for all ranks, which the log names. Collective.
uint64_t draw_seed(Ranks& ranks);

/// Throws Error(kBadData) naming the first rank whose `text`, what stands for its `what`, is
/// another.
void require_equal_texts(Ranks& ranks, const char* what, const std::string& text);

/// Runs `work`. What it throws is told to the other ranks, and thrown on with this rank's number.
ExitStatus run_on_ranks(Ranks& ranks, const std::function<ExitStatus()>& work);

}  // namespace sdxl
