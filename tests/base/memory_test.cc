#include "base/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

namespace sdxl {
namespace {

TEST(LargeBlock, IsReusedForTheSameSize) {
  void* first = allocate_large_block(kLargeBlock);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 4096, 0u);
  std::memset(first, 1, kLargeBlock);
  EXPECT_TRUE(free_large_block(first));
  void* second = allocate_large_block(kLargeBlock - 100);
  EXPECT_EQ(second, first);
  EXPECT_TRUE(free_large_block(second));
}

TEST(LargeBlock, RefusesForeignAddresses) {
  void* block = allocate_large_block(kLargeBlock);
  EXPECT_FALSE(free_large_block(static_cast<char*>(block) + 4096));
  EXPECT_TRUE(free_large_block(block));
  EXPECT_FALSE(free_large_block(block));
}

}  // namespace
}  // namespace sdxl
