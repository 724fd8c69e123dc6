#include "distributed/watch.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

namespace sdxl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kGrace{10000};  // after a failure, for the work to end by itself
constexpr const char* kFailureKey = "failure";

std::string beat_key(int64_t rank) { return str("beat/", rank); }
std::string seen_key(int64_t rank) { return str("seen/", rank); }

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

/// Grows with `size`, since the store serves two requests of each rank in an interval.
milliseconds interval_for(int64_t size) { return milliseconds(std::max<int64_t>(300, 2 * size)); }

std::string listed_ranks(const std::vector<int64_t>& ranks) {
  constexpr size_t kMax = 8;
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(ranks.size(), kMax); ++i) names.push_back(str(ranks[i]));
  std::string text = str(ranks.size() == 1 ? "rank " : "ranks ", join(names, ", "));
  if (ranks.size() > kMax) text += str(" and ", ranks.size() - kMax, " more");
  return text;
}

Failure silent_store() {
  return {ExitStatus::kUnavailable,
          "rank 0, which serves the run's store, does not answer: it was stopped or its machine is "
          "unreachable"};
}

[[noreturn]] void end_process(const Failure& failure) {
  log::error(failure.message);
  ::_exit(static_cast<int>(failure.status));
}

}  // namespace

Watch::Watch(c10::intrusive_ptr<c10d::Store> store, int64_t rank, int64_t size,
             milliseconds timeout)
    : store_(std::move(store)),
      rank_(rank),
      size_(size),
      timeout_(timeout),
      interval_(interval_for(size)),
      next_rank_changed_(steady_clock::now()) {
  tick();
  thread_ = std::thread([this] { loop(); });
  guard_ = std::thread([this] { guard(); });
}

Watch::~Watch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  guard_.join();
  leave_a_silent_store();
  thread_.join();
}

void Watch::leave_a_silent_store() {
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, kGrace, [this] { return stopped_; })) return;
  end_process(failure_.value_or(silent_store()));
}

void Watch::loop() {
  run_until_stopped();
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

void Watch::run_until_stopped() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, interval_, [this] { return stopping_ || to_post_.has_value(); });
      if (stopping_) return;
    }
    try {
      tick();
      look_for_failure();
      look_at_next_rank();
      answer_inquiry();
    } catch (const std::exception&) {
      note(
          {ExitStatus::kUnavailable,
           "lost the connection to the run's store: rank 0 (or torchrun's agent), which serves it, "
           "died or was stopped"});
    }
    ++rounds_;
  }
}

// Counts rounds instead of reading the clock: a process that was suspended and continues must not
// take its own pause for silence.
void Watch::guard() {
  int64_t rounds = rounds_;
  milliseconds silence{0};
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, interval_, [this] { return stopping_; })) return;
    }
    silence = rounds == rounds_ ? silence + interval_ : milliseconds(0);
    rounds = rounds_;
    if (silence > timeout_) note(silent_store());
    enforce();
  }
}

void Watch::tick() {
  store_->set(beat_key(rank_), bytes_of(str(++beats_, " ", collectives_.load())));
  std::optional<Failure> to_post;
  {
    const std::lock_guard lock(mutex_);
    to_post = to_post_;
  }
  if (!to_post) return;
  const Json json = {{"status", static_cast<int>(to_post->status)}, {"message", to_post->message}};
  store_->compareSet(kFailureKey, {}, bytes_of(one_line(json)));
  {
    const std::lock_guard lock(mutex_);
    to_post_.reset();
  }
  changed_.notify_all();
}

void Watch::look_for_failure() {
  if (!store_->check({kFailureKey})) return;
  const std::vector<uint8_t> value = store_->get(kFailureKey);
  const Json json = parse_json(std::string(value.begin(), value.end()), "the store");
  store_->set(seen_key(rank_), bytes_of("1"));
  note({static_cast<ExitStatus>(json.at("status").get<int>()),
        json.at("message").get<std::string>()});
}

namespace {

std::pair<int64_t, int64_t> numbers_of(const std::vector<uint8_t>& value) {
  const std::string text(value.begin(), value.end());
  long long first = 0, second = 0;
  std::sscanf(text.c_str(), "%lld %lld", &first, &second);
  return {first, second};
}

}  // namespace

void Watch::look_at_next_rank() {
  const int64_t next = (rank_ + 1) % size_;
  if (!store_->check({beat_key(next)})) return;  // it has not joined yet
  const auto [count, collectives] = numbers_of(store_->get(beat_key(next)));
  const Beat beat{count, collectives};
  const auto now = steady_clock::now();
  if (beat != next_rank_) {
    next_rank_ = beat;
    next_rank_changed_ = now;
  } else if (now - next_rank_changed_ > timeout_) {
    const Failure failure{
        ExitStatus::kUnavailable,
        str("rank ", next, " has shown no sign of life for --ddp_timeout ",
            timeout_.count() / 1000.0, " s: it was stopped or its machine hangs")};
    const std::lock_guard lock(mutex_);
    if (!failure_ && !finished_) to_post_ = failure;
  }
}

std::vector<Watch::Beat> Watch::all_beats() {
  std::vector<std::string> keys;
  for (int64_t rank = 0; rank < size_; ++rank) keys.push_back(beat_key(rank));
  std::vector<Beat> beats;
  for (const auto& value : store_->multiGet(keys)) {
    const auto [count, collectives] = numbers_of(value);
    beats.push_back({count, collectives});
  }
  return beats;
}

void Watch::answer_inquiry() {
  {
    const std::lock_guard lock(mutex_);
    if (!inquired_ || failure_) return;
  }
  const auto now = steady_clock::now();
  if (!first_look_) {
    first_look_ = all_beats();
    first_look_at_ = now;
  } else if (now - first_look_at_ > 5 * interval_ + milliseconds(500)) {
    const Failure failure = judge(*first_look_, all_beats());
    const std::lock_guard lock(mutex_);
    to_post_ = failure;  // the store keeps the first rank's verdict, which look_for_failure() reads
  }
}

Failure Watch::judge(const std::vector<Beat>& before, const std::vector<Beat>& now) const {
  std::vector<int64_t> silent, behind;
  int64_t least = now[0].collectives, most = least;
  for (const Beat& beat : now) {
    least = std::min(least, beat.collectives);
    most = std::max(most, beat.collectives);
  }
  for (int64_t rank = 0; rank < size_; ++rank) {
    if (before[rank].count == now[rank].count) silent.push_back(rank);
    if (now[rank].collectives == least && least < most) behind.push_back(rank);
  }
  if (!silent.empty()) {
    return {ExitStatus::kUnavailable,
            str(listed_ranks(silent), " died, was stopped, or its machine is unreachable")};
  }
  if (!behind.empty()) {
    return {ExitStatus::kUnavailable, str(listed_ranks(behind),
                                          " did not reach the collective that the others "
                                          "wait in within --ddp_timeout ",
                                          timeout_.count() / 1000.0, " s")};
  }
  return {
      ExitStatus::kUnavailable,
      str("rank ", rank_, " lost a connection although all ranks are alive: check the network")};
}

void Watch::note(const Failure& failure) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_ || finished_) return;
    keep(failure);
  }
  changed_.notify_all();
}

void Watch::keep(const Failure& failure) {
  failure_ = failure;
  failed_at_ = steady_clock::now();
}

void Watch::enforce() {
  std::optional<Failure> failure;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_ || finished_ || steady_clock::now() - failed_at_ < kGrace) return;
    failure = failure_;
  }
  end_process(*failure);
}

Failure Watch::explain() {
  std::unique_lock lock(mutex_);
  inquired_ = true;
  const milliseconds patience = 10 * interval_ + milliseconds(5000);
  changed_.wait_for(lock, patience, [this] { return failure_.has_value(); });
  if (!failure_) keep(silent_store());
  return *failure_;
}

void Watch::post(const Failure& failure) {
  {
    std::unique_lock lock(mutex_);
    if (!failure_) {
      to_post_ = failure;
      changed_.notify_all();
      changed_.wait_for(lock, milliseconds(2000), [this] { return !to_post_ || failure_; });
    }
  }
  if (rank_ == 0) wait_until_seen();
}

void Watch::wait_until_seen() {
  std::vector<std::string> keys;
  for (int64_t rank = 1; rank < size_; ++rank) keys.push_back(seen_key(rank));
  const auto end = steady_clock::now() + 10 * interval_ + milliseconds(1000);
  try {
    while (!store_->check(keys) && steady_clock::now() < end) {
      std::this_thread::sleep_for(interval_ / 3);
    }
  } catch (const std::exception&) {
    // The store is gone, so nobody can see the failure.
  }
}

std::optional<Failure> Watch::failure() {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Watch::finish() {
  const std::lock_guard lock(mutex_);
  finished_ = true;
}

}  // namespace sdxl
