#include "data/parallel_rows.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/stop.h"

namespace sdxl {
namespace {

constexpr int64_t kBlock = 64;

}  // namespace

void for_rows_in_parallel(int64_t count, int64_t threads, const char* phase,
                          const std::function<void(int64_t row)>& work) {
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  int64_t failed_row = count;
  const auto run = [&] {
    while (!stop_requested()) {
      const int64_t begin = next.fetch_add(kBlock), end = std::min(begin + kBlock, count);
      for (int64_t row = begin; row < end; ++row) {
        try {
          work(row);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (row < failed_row) failure = std::current_exception();
          failed_row = std::min(failed_row, row);
          next = count;
          return;
        }
      }
      if (begin >= count) return;
    }
  };
  std::vector<std::thread> others;
  for (int64_t i = 1; i < std::min(threads, (count + kBlock - 1) / kBlock); ++i) {
    others.emplace_back(run);
  }
  run();
  for (std::thread& thread : others) thread.join();
  if (failure) std::rethrow_exception(failure);
  throw_if_stop_requested(phase);
}

}  // namespace sdxl
