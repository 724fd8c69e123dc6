// The report of an infer run: a line for each picture, and the failures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "distributed/ranks.h"

namespace sdxl {

/// One line of the table at the end.
struct PictureReport {
  std::string file;
  double seconds = 0;           ///< Its batch's time divided by the batch's pictures.
  double steps_per_second = 0;  ///< Of the sampler alone, summed over the batch.
  double weights_seconds =
      0;                     ///< Spent loading the weight set; non-zero for its first picture only.
  uint64_t peak_memory = 0;  ///< Of the process so far, in bytes.
  bool kept = false;         ///< The picture existed already.
};

class InferReport {
 public:
  void add(PictureReport picture);
  /// Records a failure that does not end the run. It is logged when something follows it, so that
  /// a run whose only item failed reports it once, as its error.
  void fail(const std::string& what, const Error& error) {
    fail(Error(error.status(), what + ": " + error.what()));
  }
  void fail(const Error& error);  ///< For messages that name what failed.
  const std::vector<PictureReport>& pictures() const { return pictures_; }

  /// Collects the reports of all ranks on each, without repeated failures. Collective.
  void merge(Ranks& ranks);

  /// Prints the table to stdout: columns, or a JSON line for each picture.
  void print(bool json) const;
  /// Throws if anything failed: with the failures' common status if nothing was drawn, else
  /// kBadData.
  void throw_if_failed();

 private:
  void log_failures();

  std::vector<PictureReport> pictures_;
  std::vector<Error> failures_;
  size_t logged_ = 0;  // of the failures
};

}  // namespace sdxl
