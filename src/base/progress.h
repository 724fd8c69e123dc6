// A progress bar on a terminal; elsewhere a plain line every 30 seconds or more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace sdxl {

/// Safe to use from several threads. Silent below log level info.
class Progress {
 public:
  /// Pass `total` 0 if it is unknown. `unit` names what is counted ("step", "image"); "B" prints
  /// sizes. `start` is the position of a resumed run, which the rate leaves out.
  Progress(std::string title, uint64_t total, std::string unit = "it", uint64_t start = 0);
  ~Progress();  ///< Ends the line.
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(uint64_t count = 1);
  void set(uint64_t position);
  /// Sets the text after the figures, such as "loss=0.1 lr=1e-05".
  void note(std::string text);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sdxl
