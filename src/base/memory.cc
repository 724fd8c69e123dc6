#include "base/memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <deque>
#include <limits>
#include <mutex>
#include <unordered_map>

namespace sdxl {
namespace {

constexpr size_t kMaxKept = size_t{512} << 20;
constexpr size_t kMinReturned = size_t{256} << 20;

class LargeBlocks {
 public:
  void* allocate(size_t size) {
    static const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    size = (size + page - 1) / page * page;
    const std::lock_guard lock(mutex_);
    if (void* address = take(size)) return address;
    shrink_to(kept_bytes_ > size ? kept_bytes_ - size : 0);
    void* address =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) return nullptr;
    used_[address] = size;
    return address;
  }

  bool free(void* address) {
    const std::lock_guard lock(mutex_);
    const auto found = used_.find(address);
    if (found == used_.end()) return false;
    kept_.push_back({address, found->second});
    kept_bytes_ += found->second;
    used_.erase(found);
    shrink_to(kMaxKept);
    return true;
  }

  size_t kept_bytes() {
    const std::lock_guard lock(mutex_);
    return kept_bytes_;
  }

  void release() {
    const std::lock_guard lock(mutex_);
    shrink_to(0);
  }

 private:
  struct Block {
    void* address;
    size_t size;
  };

  /// The smallest kept block that fits and wastes at most a quarter; null if none does.
  void* take(size_t size) {
    auto best = kept_.end();
    for (auto block = kept_.begin(); block != kept_.end(); ++block) {
      if (block->size < size || block->size > size + size / 4) continue;
      if (best == kept_.end() || block->size < best->size) best = block;
    }
    if (best == kept_.end()) return nullptr;
    void* address = best->address;
    used_[address] = best->size;
    kept_bytes_ -= best->size;
    kept_.erase(best);
    return address;
  }

  void shrink_to(size_t bytes) {
    while (kept_bytes_ > bytes) {
      ::munmap(kept_.front().address, kept_.front().size);
      kept_bytes_ -= kept_.front().size;
      kept_.pop_front();
    }
  }

  std::mutex mutex_;
  std::unordered_map<void*, size_t> used_;
  std::deque<Block> kept_;  // the oldest first
  size_t kept_bytes_ = 0;
};

/// Never destroyed: tensors may outlive static objects.
LargeBlocks& large_blocks() {
  static LargeBlocks& blocks = *new LargeBlocks;
  return blocks;
}

}  // namespace

void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_THRESHOLD, int{kLargeBlock});  // glibc's upper bound
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  ::mallopt(M_TOP_PAD, 16 << 20);
#endif
}

void release_freed_memory() {
#ifdef __GLIBC__
  if (::mallinfo2().fordblks + large_blocks().kept_bytes() < kMinReturned) return;
  ::malloc_trim(0);
#endif
  large_blocks().release();
}

void* allocate_large_block(size_t size) { return large_blocks().allocate(size); }

bool free_large_block(void* address) { return large_blocks().free(address); }

}  // namespace sdxl
