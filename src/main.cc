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
#include "device/cpu_memory.h"
#include "device/device.h"
#include "device/fallbacks.h"

namespace sdxl {
namespace {

/// The command that runs; null before and between.
const Command* running = nullptr;

/// Memory ran out: what to change, in order of effect, and what the allocator said.
ExitStatus report_out_of_memory(std::string_view problem) {
  std::string advice = running == nullptr ? "" : running->memory_advice();
  if (advice.empty()) advice = "a smaller batch or resolution";
  log::error(str("out of memory: try ", advice, problem.empty() ? "" : " (", problem,
                 problem.empty() ? "" : ")"));
  return ExitStatus::kOutOfMemory;
}

std::string first_line(std::string_view text) {
  return std::string(trimmed(text.substr(0, text.find('\n'))));
}

/// Prints the exception being handled as one line and gives the exit status.
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
    log::error("something that is no exception was thrown");
  }
  return ExitStatus::kFailure;
}

/// An exception that left a thread or a destructor: the same line, and no abort().
[[noreturn]] void on_terminate() {
  const ExitStatus status = std::current_exception() ? report_exception() : ExitStatus::kFailure;
  ::_exit(int(status));
}

/// So that no file that is opened later takes the place of a closed standard stream.
void open_standard_streams() {
  int descriptor;
  do {
    descriptor = ::open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor > STDERR_FILENO) ::close(descriptor);
}

/// Whether whoever read our standard output has gone away, as `head` does.
bool output_reader_left() {
  pollfd query = {STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&query, 1, 0) == 1 && (query.revents & POLLERR) != 0;
}

/// Writes out what std::cout and printf still hold.
void flush_output() {
  errno = 0;
  const bool streamed = std::cout.flush().good();
  const bool flushed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  const int error = errno;
  if ((streamed && flushed) || output_reader_left()) return;
  throw Error(ExitStatus::kFileError,
              str("cannot write standard output: ", std::strerror(error == 0 ? EIO : error)));
}

/// --print_config: every option, and where those that were set come from.
void print_config(const OptionSet& options) {
  Json json = options.to_json();
  Json& origins = json["_origins"] = Json::object();
  for (const Option& option : options.options()) {
    if (option.rule.flag_only || !options.given(option.name)) continue;
    origins[option.name] = options.origin(option.name) == OptionOrigin::kFlag ? "flag" : "file";
  }
  std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

/// Idle threads of libgomp spin for many milliseconds before they sleep, which on a machine that
/// others use too makes short operators 20 times slower. libgomp reads its setting when it is
/// initialised, so the process starts itself again once with a brief spin, unless the user has
/// chosen.
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

/// Before the libraries' own initialisation, of which LibTorch's takes most of the start-up time.
/// The C library's is still to come too: its environment is empty yet.
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
    at::set_num_threads(int(options.get<int64_t>("num_threads")));
  }
  command.validate();
  running = &command;
  return command.run();
}

ExitStatus run(char** argv) {
  std::vector<std::string> arguments;
  for (char** argument = argv + (argv[0] != nullptr); *argument != nullptr; ++argument) {
    arguments.push_back(*argument);
  }
  static const auto commands = all_commands();  // for errors, whose handler outlives this call
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
  use_kept_memory_for_tensors();
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
  // No exit(): taking LibTorch's tables of operators apart would cost a quarter of the start-up
  // time, and threads that still run must not see it happen.
  ::_exit(int(status));
}
