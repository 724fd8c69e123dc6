// Each worker takes the next sample that no other one prepares; the worker that finishes a batch's
// last sample collates the batch.
#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/stop.h"

namespace sdxl {
namespace {

constexpr std::chrono::milliseconds kStopPoll{50};

Loader::DrawsOf draws_of_plan(BatchPlan plan) {
  return [plan](int64_t micro_batch) {
    const int64_t first =
        plan.first_draw + (micro_batch * plan.ranks + plan.rank) * plan.batch_size;
    std::vector<int64_t> draws(plan.batch_size);
    std::iota(draws.begin(), draws.end(), first);
    return draws;
  };
}

}  // namespace

struct Loader::Workers {
  /// A micro-batch in preparation; the one without draws marks the end.
  struct Slot {
    std::vector<int64_t> draws;
    std::vector<Sample> samples;
    size_t started = 0, finished = 0;
    Batch batch;
    std::exception_ptr failure;
    size_t failed_place = 0;
    bool ready = false;
  };

  Workers(const MakeSample& sample, const DrawsOf& draws_of, int64_t first, int64_t count)
      : sample(sample), draws_of(draws_of), next_batch(first), count(static_cast<size_t>(count)) {
    for (int64_t i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
  }

  ~Workers() {
    {
      const std::lock_guard lock(mutex);
      closing = true;
    }
    work_to_do.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      std::shared_ptr<Slot> slot;
      work_to_do.wait(lock, [&] { return closing || (slot = slot_with_work()); });
      if (closing) return;
      const size_t place = slot->started++;
      lock.unlock();
      std::exception_ptr failure;
      try {
        slot->samples[place] = sample(slot->draws[place]);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      // Keep the failure of the first draw, whichever thread was faster.
      if (failure && (!slot->failure || place < slot->failed_place)) {
        slot->failure = failure;
        slot->failed_place = place;
      }
      if (++slot->finished == slot->draws.size()) finish(*slot, lock);
    }
  }

  /// The micro-batch whose samples are not all taken yet. Null at the end, or if enough is ahead:
  /// a whole micro-batch and two samples per thread.
  std::shared_ptr<Slot> slot_with_work() {
    if (!slots.empty() && slots.back()->started < slots.back()->draws.size()) return slots.back();
    size_t ahead = 0;
    for (const auto& slot : slots) ahead += slot->draws.size();
    if (at_end || (slots.size() >= 2 && ahead >= 2 * count)) return nullptr;
    auto slot = std::make_shared<Slot>();
    slot->draws = draws_of(next_batch++);
    slot->samples.resize(slot->draws.size());
    slots.push_back(slot);
    if (!slot->draws.empty()) return slot;
    at_end = slot->ready = true;
    batch_ready.notify_all();
    return nullptr;
  }

  void finish(Slot& slot, std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    try {
      if (!slot.failure) slot.batch = collate(slot.samples);
    } catch (...) {
      slot.failure = std::current_exception();
    }
    slot.samples.clear();
    lock.lock();
    slot.ready = true;
    batch_ready.notify_all();
  }

  /// Null at the end or after a stop request.
  std::shared_ptr<Slot> take() {
    std::unique_lock lock(mutex);
    const auto ready = [this] { return !slots.empty() && slots.front()->ready; };
    while (!batch_ready.wait_for(lock, kStopPoll, ready)) {
      if (stop_requested()) return nullptr;
    }
    std::shared_ptr<Slot> slot = slots.front();
    if (slot->draws.empty()) return nullptr;
    slots.pop_front();
    work_to_do.notify_all();
    return slot;
  }

  const MakeSample& sample;
  const DrawsOf& draws_of;
  int64_t next_batch;
  const size_t count;
  std::mutex mutex;
  std::condition_variable work_to_do, batch_ready;
  std::deque<std::shared_ptr<Slot>> slots;  // In order; the trainer takes from the front.
  bool at_end = false, closing = false;
  std::vector<std::thread> threads;
};

Loader::Loader(MakeSample sample, DrawsOf draws_of, int64_t first, int64_t workers)
    : sample_(std::move(sample)), draws_of_(std::move(draws_of)), next_(first) {
  if (workers > 0) workers_ = std::make_unique<Workers>(sample_, draws_of_, first, workers);
}

Loader::Loader(MakeSample sample, BatchPlan plan, int64_t first, int64_t workers)
    : Loader(std::move(sample), draws_of_plan(plan), first, workers) {}

Loader::Loader(MakeSample sample, DrawsOf draws_of, int64_t workers)
    : Loader(std::move(sample), std::move(draws_of), 0, workers) {}

Loader::~Loader() = default;

std::optional<Batch> Loader::make_here() {
  std::vector<Sample> samples;
  for (const int64_t draw : draws_of_(next_)) {
    if (stop_requested()) return std::nullopt;
    samples.push_back(sample_(draw));
  }
  if (samples.empty()) return std::nullopt;
  ++next_;
  return collate(samples);
}

std::optional<Batch> Loader::next() {
  const Clock::time_point start = Clock::now();
  std::optional<Batch> batch;
  if (!workers_) {
    batch = make_here();
  } else if (const auto slot = workers_->take()) {
    if (slot->failure) std::rethrow_exception(slot->failure);
    batch = std::move(slot->batch);
  }
  waited_seconds_ += seconds_since(start);
  return batch;
}

}  // namespace sdxl
