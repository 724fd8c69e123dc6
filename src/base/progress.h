// A progress bar on a terminal; in a pipe, a plain line now and then.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace sdxl {

class Progress {
 public:
  /// `total` 0 when it is not known. `unit` names what is counted ("step", "picture", "B").
  Progress(std::string title, uint64_t total, std::string unit = "it", uint64_t start = 0);
  ~Progress();  ///< Ends the line.
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(uint64_t count = 1);
  void set(uint64_t position);
  /// Text behind the figures, such as "loss=0.1 lr=1e-05".
  void note(std::string text);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sdxl
