// What an infer run did: a line for each picture, and what could not be drawn.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "distributed/ranks.h"

namespace sdxl {

/// A line of the table at the end.
struct PictureReport {
  std::string file;
  double seconds = 0;           ///< Of its batch, divided by the batch's pictures.
  double steps_per_second = 0;  ///< Of the sampler alone, summed over the batch's pictures.
  double weights_seconds = 0;   ///< That its set's weights took, before the first.
  uint64_t peak_memory = 0;     ///< The process's, when the picture was done.
  bool kept = false;            ///< It was there already.
};

class InferReport {
 public:
  void add(PictureReport picture);
  /// Notes a failure that the run outlived. It is logged when something follows it: a run whose
  /// only item failed tells of it once, as its error.
  void fail(const std::string& what, const Error& error) {
    fail(Error(error.status(), what + ": " + error.what()));
  }
  void fail(const Error& error);  ///< Where the message says what failed.
  const std::vector<PictureReport>& pictures() const { return pictures_; }

  /// Takes in what the other ranks report, each failure once. Collective; the first rank has all.
  void merge(Ranks& ranks);

  /// The table on stdout: columns, or a JSON line for each picture.
  void print(bool json) const;
  /// Throws if anything failed: the failures' own status if nothing was drawn and they have one in
  /// common, else kBadData.
  void throw_if_failed();

 private:
  void log_failures();

  std::vector<PictureReport> pictures_;
  std::vector<Error> failures_;
  size_t logged_ = 0;  // of the failures
};

}  // namespace sdxl
