// Runs a program as several ranks on the loopback interface, as a launcher would.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/files/files.h"
#include "support/process.h"

namespace sdxl::test {

/// A TCP port that was free a moment ago.
inline int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

/// Processes that a test may signal and wait for. The destructor kills those that still run.
class RankProcesses {
 public:
  /// Each rank runs `command(rank)`. Their output goes to files in `directory`.
  RankProcesses(int count, const std::filesystem::path& directory,
                const std::function<std::vector<std::string>(int rank)>& command)
      : directory_(directory) {
    std::filesystem::create_directories(directory);
    const std::string port = std::to_string(free_port());
    for (int rank = 0; rank < count; ++rank) {
      const std::vector<std::string> arguments = command(rank);
      std::vector<char*> argv;
      for (const std::string& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
      }
      argv.push_back(nullptr);
      const std::string output = file(rank, "out"), error = file(rank, "err");
      const std::string number = std::to_string(rank), size = std::to_string(count);
      const pid_t child = ::fork();
      if (child == 0) {
        ::setenv("RANK", number.c_str(), 1);
        ::setenv("LOCAL_RANK", number.c_str(), 1);
        ::setenv("WORLD_SIZE", size.c_str(), 1);
        ::setenv("MASTER_ADDR", "127.0.0.1", 1);
        ::setenv("MASTER_PORT", port.c_str(), 1);
        ::dup2(::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), STDOUT_FILENO);
        ::dup2(::open(error.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), STDERR_FILENO);
        ::execv(argv[0], argv.data());
        ::_exit(127);
      }
      children_.push_back(child);
    }
  }
  ~RankProcesses() {
    for (const pid_t child : children_) {
      if (child > 0) ::kill(child, SIGKILL), ::waitpid(child, nullptr, 0);
    }
  }
  RankProcesses(const RankProcesses&) = delete;
  RankProcesses& operator=(const RankProcesses&) = delete;

  void signal(int rank, int number) const { ::kill(children_[rank], number); }

  /// Waits for a rank; its exit status (128 + signal if killed) and its output.
  ProcessResult wait(int rank) {
    int status = 0;
    ::waitpid(children_[rank], &status, 0);
    children_[rank] = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            read_file(file(rank, "out")), read_file(file(rank, "err"))};
  }
  std::vector<ProcessResult> wait() {
    std::vector<ProcessResult> results;
    for (size_t rank = 0; rank < children_.size(); ++rank) {
      results.push_back(wait(static_cast<int>(rank)));
    }
    return results;
  }

 private:
  std::string file(int rank, const char* kind) const {
    return directory_ / (std::to_string(rank) + "." + kind);
  }

  std::filesystem::path directory_;
  std::vector<pid_t> children_;
};

/// Waits until `text` is in `file`; false after a minute.
inline bool wait_for_text(const std::filesystem::path& file, const std::string& text) {
  for (int i = 0; i < 1200; ++i) {
    if (std::filesystem::exists(file) && read_file(file).find(text) != std::string::npos) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

}  // namespace sdxl::test
