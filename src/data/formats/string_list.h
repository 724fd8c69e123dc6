// Many short texts in one block of memory, for the index of a data set.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

class StringList {
 public:
  void add(std::string_view text) {
    bytes_.append(text);
    ends_.push_back(bytes_.size());
  }
  int64_t size() const { return static_cast<int64_t>(ends_.size()); }
  std::string_view operator[](int64_t index) const {
    const uint64_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(bytes_).substr(begin, ends_[index] - begin);
  }
  /// The index of `text` in a list that is ordered by bytes, or size(). Looks at `guess` first.
  int64_t find(std::string_view text, int64_t guess) const {
    if (guess < size() && (*this)[guess] == text) return guess;
    int64_t low = 0, high = size();
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if ((*this)[middle] < text) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low < size() && (*this)[low] == text ? low : size();
  }

 private:
  std::string bytes_;
  std::vector<uint64_t> ends_;
};

}  // namespace sdxl
