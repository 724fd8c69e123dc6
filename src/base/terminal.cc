#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/environment.h"

namespace sdxl::terminal {
namespace {

bool line_is_open = false;

/// Errors are ignored: there is nowhere left to report them.
void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(STDERR_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

constexpr std::string_view kEraseLine = "\r\x1b[K";

}  // namespace

std::mutex& mutex() {
  static auto* instance = new std::mutex;  // never destroyed: threads may log until the very end
  return *instance;
}

bool interactive() { return ::isatty(STDERR_FILENO) == 1 && environment("TERM", "dumb") != "dumb"; }

int columns() {
  const int value = std::atoi(environment("COLUMNS").c_str());
  if (value >= 20 && value <= 1000) return value;
  winsize size = {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void write_line(std::string_view text) {
  std::string bytes(line_is_open ? kEraseLine : "");
  bytes += text;
  bytes += '\n';
  line_is_open = false;
  write_all(bytes);
}

void draw_open_line(std::string_view text) {
  std::string bytes(kEraseLine);
  bytes += text;
  line_is_open = true;
  write_all(bytes);
}

void close_open_line() {
  if (line_is_open) write_all("\n");
  line_is_open = false;
}

}  // namespace sdxl::terminal
