// Threads beside the work that know which ranks are alive, so that a run that breaks ends soon
// everywhere and says which rank it was.
//
// Every rank writes a beat into the store now and then and looks at that of the next rank. The
// first rank to know of a failure writes it there; the others find it and report the same. A
// request to a store whose machine is out of reach, its connection not closed, never returns: so a
// second thread, which asks the store nothing, sees to it that the process ends all the same.
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
  /// `store` is used by this watch alone. The other ranks may come later.
  Watch(c10::intrusive_ptr<c10d::Store> store, int64_t rank, int64_t size,
        std::chrono::milliseconds timeout);
  /// Ends the threads.
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Counts the collectives of this rank: whoever has begun fewer than the others holds them up.
  void count_collective() { ++collectives_; }
  /// Why a collective failed, after a few seconds of looking at the others' beats.
  Failure explain();
  /// Tells the others of a failure, unless there is one already. On rank 0, whose end takes the
  /// store away, it waits a few seconds for the others to have seen it.
  void post(const Failure& failure);
  /// A failure that is known already.
  std::optional<Failure> failure();
  /// The run ends: what happens to the others from now on is no failure.
  void finish();

 private:
  struct Beat {
    int64_t count = 0, collectives = 0;
    bool operator==(const Beat&) const = default;
  };

  void loop();
  void run_until_stopped();
  /// Of the second thread: fails the run where the store is silent for the timeout, and ends the
  /// process where the work has not ended by itself some time after a failure.
  void guard();
  /// Ends the process where the thread hangs in a request to the store.
  void leave_a_silent_store();
  void tick();
  void look_for_failure();
  void wait_until_seen();
  void look_at_next_rank();
  void answer_inquiry();
  Failure judge(const std::vector<Beat>& before, const std::vector<Beat>& now) const;
  std::vector<Beat> all_beats();
  void note(const Failure& failure);
  /// As the failure of this run; with the lock held.
  void keep(const Failure& failure);
  void enforce();

  const c10::intrusive_ptr<c10d::Store> store_;
  const int64_t rank_, size_;
  const std::chrono::milliseconds timeout_, interval_;
  std::atomic<int64_t> collectives_{0};
  std::atomic<int64_t> rounds_{0};  // of requests that the store has answered

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false, stopped_ = false, finished_ = false, inquired_ = false;
  std::optional<Failure> failure_, to_post_;
  std::chrono::steady_clock::time_point failed_at_;

  // Of the first thread alone.
  int64_t beats_ = 0;
  Beat next_rank_;
  std::chrono::steady_clock::time_point next_rank_changed_;
  std::optional<std::vector<Beat>> first_look_;
  std::chrono::steady_clock::time_point first_look_at_;

  std::thread thread_, guard_;
};

}  // namespace sdxl
