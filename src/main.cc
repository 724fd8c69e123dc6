// Parses the command line, runs one command, and turns exceptions into one line and an exit status.
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/parse.h"
#include "commands/command.h"
#include "config/option_rules.h"
#include "device/cpu_allocator.h"
#include "device/device.h"
#include "device/fallbacks.h"

namespace sdxl {
namespace {

/// The command that runs; null before it starts.
const Command* running = nullptr;

/// Logs which options would save memory, those that save most first, and the allocator's message.
ExitStatus report_out_of_memory(std::string_view problem) {
  std::string advice = running == nullptr ? "" : running->memory_advice();
  if (advice.empty()) advice = "a smaller batch or resolution";
  const std::string cause = problem.empty() ? "" : str(" (", problem, ")");
  log::error(str("out of memory: try ", advice, cause));
  return ExitStatus::kOutOfMemory;
}

std::string first_line(std::string_view text) {
  return std::string(trimmed(text.substr(0, text.find('\n'))));
}

/// Logs the exception being handled as one line and returns the exit status.
ExitStatus report_exception() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    log::error(error.what());
    return error.status();
  } catch (const c10::Error& error) {
    const std::string text = first_line(error.what_without_backtrace());
    if (is_out_of_memory(error)) return report_out_of_memory(text);
    log::error(text);
  } catch (const std::bad_alloc&) {
    return report_out_of_memory("");
  } catch (const std::filesystem::filesystem_error& error) {
    log::error(error.what());
    return ExitStatus::kFileError;
  } catch (const std::exception& error) {
    log::error(first_line(error.what()));
  } catch (...) {
    log::error("unknown exception");
  }
  return ExitStatus::kFailure;
}

/// Reports an exception that left a thread or a destructor as any other, without abort().
[[noreturn]] void on_terminate() {
  const ExitStatus status = std::current_exception() ? report_exception() : ExitStatus::kFailure;
  ::_exit(static_cast<int>(status));
}

/// Opens closed standard streams on /dev/null, so that no later file takes their descriptors.
void open_standard_streams() {
  int descriptor;
  do {
    descriptor = ::open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor > STDERR_FILENO) ::close(descriptor);
}

/// Whether the reader of standard output has closed its end, as `head` does.
bool output_reader_left() {
  pollfd query = {STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&query, 1, 0) == 1 && (query.revents & POLLERR) != 0;
}

/// Flushes std::cout and stdout; Error(kFileError) if that fails while someone still reads.
void flush_output() {
  errno = 0;
  const bool streamed = std::cout.flush().good();
  const bool flushed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  const int error = errno;
  if ((streamed && flushed) || output_reader_left()) return;
  throw Error(ExitStatus::kFileError,
              "cannot write standard output: ", std::strerror(error == 0 ? EIO : error));
}

/// Prints every option as JSON, and under "_origins" where the given ones come from.
void print_config(const OptionSet& options) {
  Json json = options.to_json();
  Json& origins = json["_origins"] = Json::object();
  for (const Option& option : options.options()) {
    if (option.rule.flag_only || !options.given(option.name)) continue;
    origins[option.name] = options.origin(option.name) == OptionOrigin::kFlag ? "flag" : "file";
  }
  std::cout << indented(json) << '\n';
}

/// Idle threads of libgomp spin for many milliseconds before they sleep, which makes short
/// operators 20 times slower on a shared machine. libgomp reads its setting when it is initialised,
/// so the process executes itself once more with a brief spin, unless the user has set one.
void restart_with_brief_spins(int, char** argv, char** environment) {
  size_t count = 0;
  for (; environment[count] != nullptr; ++count) {
    const std::string_view variable = environment[count];
    if (variable.starts_with("GOMP_SPINCOUNT=") || variable.starts_with("OMP_WAIT_POLICY=")) return;
  }
  std::vector<char*> longer(environment, environment + count);
  char spins[] = "GOMP_SPINCOUNT=3000";
  longer.push_back(spins);
  longer.push_back(nullptr);
  ::execve("/proc/self/exe", argv, longer.data());
}

/// Runs before the libraries initialise, since LibTorch's initialisation takes most of the start-up
/// time. The C library is not initialised either, so getenv() does not work yet.
[[gnu::section(".preinit_array"),
  gnu::used]] void (*const before_libraries)(int, char**, char**) = restart_with_brief_spins;

ExitStatus run_command(Command& command) {
  OptionSet& options = command.options();
  if (options.find("log_level") != nullptr) {
    log::set_level(log::level_from_name(options.get<std::string>("log_level")));
  }
  if (options.find("print_config") != nullptr && options.get<bool>("print_config")) {
    print_config(options);
    return ExitStatus::kDone;
  }
  if (options.find("num_threads") != nullptr && options.get<int64_t>("num_threads") > 0) {
    at::set_num_threads(static_cast<int>(options.get<int64_t>("num_threads")));
  }
  check_option_rules(options, command.name());
  command.validate();
  running = &command;
  return command.run();
}

ExitStatus run(char** argv) {
  std::vector<std::string> arguments;
  for (char** argument = argv + (argv[0] != nullptr); *argument != nullptr; ++argument) {
    arguments.push_back(*argument);
  }
  static const auto commands = all_commands();  // outlives this call for report_exception()
  const CommandLine line = parse_command_line(arguments, commands);
  if (line.command != nullptr) return run_command(*line.command);
  (line.status == ExitStatus::kDone ? std::cout : std::cerr) << line.text;
  return line.status;
}

}  // namespace
}  // namespace sdxl

int main(int, char** argv) {
  using namespace sdxl;
  std::set_terminate(on_terminate);
  keep_freed_memory();
  install_cpu_allocator();
  open_standard_streams();
  ExitStatus status = ExitStatus::kFailure;
  try {
    install_stop_handlers();
    status = run(argv);
    report_fallbacks();
    flush_output();
  } catch (...) {
    std::cout.flush();
    std::fflush(stdout);
    status = report_exception();
  }
  // exit() would destroy LibTorch's operator tables, which takes a quarter of the start-up time and
  // must not happen while threads run.
  ::_exit(static_cast<int>(status));
}
