// The loader's threads: each takes the next sample that nobody prepares yet; whoever finishes the
// last sample of a batch stacks it.
#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/stop.h"

namespace sdxl {
namespace {

constexpr std::chrono::milliseconds kStopPoll{50};

int64_t first_draw(const BatchPlan& plan, int64_t micro_batch) {
  return (micro_batch * plan.ranks + plan.rank) * plan.batch_size;
}

}  // namespace

struct Loader::Workers {
  // A micro-batch on its way.
  struct Slot {
    int64_t first_draw = 0;
    std::vector<Sample> samples;
    int64_t started = 0, finished = 0;
    Batch batch;
    std::exception_ptr failure;
    int64_t failed_place = 0;
    bool ready = false;
  };

  Workers(const std::function<Sample(int64_t)>& sample, BatchPlan plan, int64_t first,
          int64_t count)
      : sample(sample), plan(plan), next_batch(first) {
    // Enough batches that no thread idles while the trainer holds one.
    depth = 1 + (2 * count + plan.batch_size - 1) / plan.batch_size;
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
      const int64_t place = slot->started++;
      lock.unlock();
      std::exception_ptr failure;
      try {
        slot->samples[place] = sample(slot->first_draw + place);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      // Of several failures the first in order is told, whichever thread was quicker.
      if (failure && (!slot->failure || place < slot->failed_place)) {
        slot->failure = failure;
        slot->failed_place = place;
      }
      if (++slot->finished == plan.batch_size) finish(*slot, lock);
    }
  }

  // The first micro-batch of which a sample is still nobody's; null when there is enough ahead.
  std::shared_ptr<Slot> slot_with_work() {
    if (slots.empty() || slots.back()->started == plan.batch_size) {
      if (static_cast<int64_t>(slots.size()) >= depth) return nullptr;
      auto slot = std::make_shared<Slot>();
      slot->first_draw = first_draw(plan, next_batch++);
      slot->samples.resize(plan.batch_size);
      slots.push_back(std::move(slot));
    }
    return slots.back();
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

  // Null where a stop was requested.
  std::shared_ptr<Slot> take() {
    std::unique_lock lock(mutex);
    const auto ready = [this] { return !slots.empty() && slots.front()->ready; };
    while (!batch_ready.wait_for(lock, kStopPoll, ready))
      if (stop_requested()) return nullptr;
    std::shared_ptr<Slot> slot = std::move(slots.front());
    slots.pop_front();
    work_to_do.notify_all();
    return slot;
  }

  const std::function<Sample(int64_t)>& sample;
  const BatchPlan plan;
  int64_t depth, next_batch;
  std::mutex mutex;
  std::condition_variable work_to_do, batch_ready;
  std::deque<std::shared_ptr<Slot>> slots;  // In order; the trainer takes from the front.
  bool closing = false;
  std::vector<std::thread> threads;
};

Loader::Loader(std::function<Sample(int64_t)> sample, BatchPlan plan, int64_t first,
               int64_t workers)
    : plan_(plan), sample_(std::move(sample)), next_(first) {
  if (workers > 0) workers_ = std::make_unique<Workers>(sample_, plan_, first, workers);
}

Loader::~Loader() = default;

std::optional<Batch> Loader::next() {
  const auto start = std::chrono::steady_clock::now();
  std::optional<Batch> batch;
  if (workers_) {
    if (const auto slot = workers_->take()) {
      if (slot->failure) std::rethrow_exception(slot->failure);
      batch = std::move(slot->batch);
    }
  } else {
    std::vector<Sample> samples;
    const int64_t first = first_draw(plan_, next_);
    while (std::ssize(samples) < plan_.batch_size && !stop_requested())
      samples.push_back(sample_(first + std::ssize(samples)));
    if (std::ssize(samples) == plan_.batch_size) batch = collate(samples);
  }
  if (batch) ++next_;
  waited_seconds_ +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return batch;
}

}  // namespace sdxl
