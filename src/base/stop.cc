#include "base/stop.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

std::atomic<int> requested_signal{0};  // by this process's handler
std::atomic<int> agreed_signal{0};     // by all ranks, while stops are held
std::atomic<bool> stops_held{false};
static_assert(std::atomic<int>::is_always_lock_free,
              "a signal handler may only use lock-free atomics");

void on_signal(int signal_number) {
  if (requested_signal.exchange(signal_number) != 0 && signal_number == SIGINT) {
    ::signal(SIGINT, SIG_DFL);
    ::raise(SIGINT);
  }
}

}  // namespace

void install_stop_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1}) ::sigaction(number, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a file past the size limit is then an error of write(2)
  if (::isatty(STDERR_FILENO) == 0) ::signal(SIGHUP, SIG_IGN);
}

int stop_requested() {
  const auto& source =
      stops_held.load(std::memory_order_relaxed) ? agreed_signal : requested_signal;
  return source.load(std::memory_order_relaxed);
}

void hold_stops(bool held) {
  agreed_signal.store(0);
  stops_held.store(held);
}

void agree_on_stop(int signal) { agreed_signal.store(signal); }

int stop_signalled() { return requested_signal.load(std::memory_order_relaxed); }

void request_stop(int signal) { requested_signal.store(signal); }

void throw_if_stop_requested(const char* phase) {
  const int number = stop_requested();
  if (number == 0) return;
  const char* name = ::sigabbrev_np(number);
  throw Interrupted(str("stopped by SIG", name == nullptr ? "NAL" : name, " while ", phase));
}

}  // namespace sdxl
