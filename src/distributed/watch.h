// Failure detection: when a rank fails, all ranks end soon and name it.
//
// Every rank regularly writes a heartbeat to the store and reads that of the next rank. The first
// rank that detects a failure writes it to the store, where the others find it and report the same.
// A request to an unreachable store may never return, so a second thread, which never asks the
// store, ends the process in that case.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "base/error.h"

namespace sdxl {

struct Failure {
  ExitStatus status = ExitStatus::kUnavailable;
  std::string message;  ///< Names the rank.
};

class Watch {
 public:
  /// Starts the threads. `store` must not be used elsewhere. Other ranks may start later.
  Watch(c10::intrusive_ptr<c10d::Store> store, int64_t rank, int64_t size,
        std::chrono::milliseconds timeout);
  /// Stops the threads.
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Call for every collective that this rank starts. The rank with the fewest holds up the others.
  void count_collective() { ++collectives_; }
  /// The cause of a failed collective. Takes a few seconds to compare the ranks' heartbeats.
  Failure explain();
  /// Reports a failure to the other ranks unless one is known already. Rank 0 takes the store with
  /// it when it ends, so there it waits a few seconds until the others have read the failure.
  void post(const Failure& failure);
  /// The failure, if one is known.
  std::optional<Failure> failure();
  /// Ignores failures of other ranks from now on.
  void finish();

 private:
  struct Beat {
    int64_t count = 0, collectives = 0;
    bool operator==(const Beat&) const = default;
  };

  void loop();
  void run_until_stopped();
  /// The second thread. Fails the run if the store is silent for the timeout. Ends the process if
  /// the work has not ended by itself within 10 s after a failure.
  void guard();
  /// Ends the process if the first thread hangs in a request to the store.
  void leave_a_silent_store();
  void tick();
  void look_for_failure();
  void wait_until_seen();
  void look_at_next_rank();
  void answer_inquiry();
  Failure judge(const std::vector<Beat>& before, const std::vector<Beat>& now) const;
  std::vector<Beat> all_beats();
  void note(const Failure& failure);
  /// Stores the run's failure. The caller holds mutex_.
  void keep(const Failure& failure);
  void enforce();

  const c10::intrusive_ptr<c10d::Store> store_;
  const int64_t rank_, size_;
  const std::chrono::milliseconds timeout_, interval_;
  std::atomic<int64_t> collectives_{0};
  std::atomic<int64_t> rounds_{0};  // that the first thread has finished

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false, stopped_ = false, finished_ = false, inquired_ = false;
  std::optional<Failure> failure_, to_post_;
  std::chrono::steady_clock::time_point failed_at_;

  // Used by the first thread only.
  int64_t beats_ = 0;
  Beat next_rank_;
  std::chrono::steady_clock::time_point next_rank_changed_;
  std::optional<std::vector<Beat>> first_look_;
  std::chrono::steady_clock::time_point first_look_at_;

  std::thread thread_, guard_;
};

}  // namespace sdxl
