// Runs a program without a shell and returns its exit status, standard output and error.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sdxl::test {

struct ProcessResult {
  int status = -1;  ///< The exit status, or 128 + the signal that ended it.
  std::string output, error;
};

struct ProcessOptions {
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< Added to the test's.
  std::string output_file = {};  ///< Takes standard output instead of ProcessResult::output.
};

/// Reads both pipes until their writers are closed.
inline void drain(int output, int error, ProcessResult& result) {
  pollfd files[2] = {{output, POLLIN, 0}, {error, POLLIN, 0}};
  std::string* texts[2] = {&result.output, &result.error};
  for (int open = 2; open > 0;) {
    if (::poll(files, 2, -1) < 0) continue;
    for (int i = 0; i < 2; ++i) {
      if (files[i].fd < 0 || files[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t count = ::read(files[i].fd, buffer, sizeof buffer);
      if (count > 0) {
        texts[i]->append(buffer, static_cast<size_t>(count));
      } else {
        files[i].fd = -1;
        --open;
      }
    }
  }
}

inline ProcessResult run_process(const std::vector<std::string>& arguments,
                                 const ProcessOptions& options = {}) {
  int output[2], error[2];
  if (::pipe2(output, O_CLOEXEC) != 0 || ::pipe2(error, O_CLOEXEC) != 0) {
    throw std::runtime_error("pipe2 failed");
  }
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
    const int target = options.output_file.empty()
                           ? output[1]
                           : ::open(options.output_file.c_str(), O_WRONLY | O_CREAT, 0666);
    ::dup2(target, STDOUT_FILENO);
    ::dup2(error[1], STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(output[1]);
  ::close(error[1]);
  ProcessResult result;
  drain(output[0], error[0], result);
  ::close(output[0]);
  ::close(error[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace sdxl::test
