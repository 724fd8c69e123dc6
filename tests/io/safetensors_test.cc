// Reads the reference writer's files and writes the same bytes.
#include "io/safetensors.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/text.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

const char* const kReferenceFile = SDXL_TEST_DATA "/safetensors/dtypes.safetensors";

at::Tensor counting() { return at::arange(6, at::kFloat).reshape({2, 3}); }

TEST(Safetensors, ReadsEveryDtypeOfAten) {
  const TensorMap tensors = SafetensorsFile(kReferenceFile).tensors();
  ASSERT_EQ(tensors.size(), 22u);
  for (const auto& [name, tensor] : tensors) {
    if (tensor.sizes() != at::IntArrayRef({2, 3}) || name == "b.weight") continue;
    const at::Tensor expected = counting().to(tensor.scalar_type()).to(at::kComplexDouble);
    EXPECT_TRUE(at::equal(tensor.to(at::kComplexDouble), expected)) << name;
  }
  EXPECT_EQ(tensors.at("bfloat16").scalar_type(), at::kBFloat16);
  EXPECT_EQ(tensors.at("bool").scalar_type(), at::kBool);
  EXPECT_EQ(tensors.at("uint64").scalar_type(), at::kUInt64);
  EXPECT_EQ(tensors.at("empty").sizes(), at::IntArrayRef({0, 4}));
  EXPECT_EQ(tensors.at("scalar").item<float>(), 2.5f);
}

TEST(Safetensors, WritesTheReferenceWritersBytes) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (auto& [name, tensor] : SafetensorsFile(kReferenceFile).tensors()) {
    tensors.emplace_back(name, tensor);
  }
  const test::TemporaryDirectory directory;
  write_safetensors(directory / "ours.safetensors", tensors);
  EXPECT_EQ(read_file(directory / "ours.safetensors"), read_file(kReferenceFile));
}

TEST(Safetensors, WritesStridedTensorsInLogicalOrder) {
  const test::TemporaryDirectory directory;
  const at::Tensor matrix = counting();
  const at::Tensor image = at::arange(2 * 3 * 4 * 5).reshape({2, 3, 4, 5});
  write_safetensors(directory / "f.safetensors",
                    {{"transposed", matrix.t()},
                     {"channels_last", image.contiguous(at::MemoryFormat::ChannelsLast)},
                     {"expanded", matrix.select(0, 1).expand({4, 3})},
                     {"conjugate", at::complex(matrix, matrix).conj()}});
  const SafetensorsFile file(directory / "f.safetensors");
  EXPECT_TRUE(at::equal(file.tensor("transposed"), matrix.t()));
  EXPECT_TRUE(at::equal(file.tensor("channels_last"), image));
  EXPECT_TRUE(at::equal(file.tensor("expanded")[3], matrix[1]));
  EXPECT_TRUE(at::equal(file.tensor("conjugate"), at::complex(matrix, -matrix)));
}

TEST(Safetensors, KeepsTheMappingForItsTensors) {
  at::Tensor tensor;
  {
    const SafetensorsFile file(kReferenceFile);
    tensor = file.tensor("float32");
    EXPECT_EQ(tensor.data_ptr(), file.tensor("float32").data_ptr()) << "it was copied";
  }
  EXPECT_TRUE(at::equal(tensor, counting()));
}

TEST(Safetensors, NeverWritesToTheFile) {
  const test::TemporaryDirectory directory;
  write_safetensors(directory / "f.safetensors", {{"a", counting()}});
  SafetensorsFile(directory / "f.safetensors").tensor("a").zero_();
  EXPECT_TRUE(at::equal(SafetensorsFile(directory / "f.safetensors").tensor("a"), counting()));
}

TEST(Safetensors, CopiesMisalignedTensors) {
  const test::TemporaryDirectory directory;
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  const float value = 1.5f;
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  file += header + "x" + std::string(reinterpret_cast<const char*>(&value), 4);
  write_file_atomically(directory / "f.safetensors", file);
  const at::Tensor tensor = SafetensorsFile(directory / "f.safetensors").tensor("b");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data_ptr()) % 4, 0u);
  EXPECT_EQ(tensor.item<float>(), value);
}

TEST(Safetensors, RoundTripsMetadata) {
  const test::TemporaryDirectory directory;
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"text", "\"ä\n\u2028"}};
  write_safetensors(directory / "f.safetensors", {}, metadata);
  EXPECT_EQ(SafetensorsFile(directory / "f.safetensors").metadata(), metadata);
}

TEST(Safetensors, KeepsTheOldFileAfterAFailedWrite) {
  const test::TemporaryDirectory directory;
  write_safetensors(directory / "f.safetensors", {{"a", counting()}});
  EXPECT_SDXL_ERROR(
      write_safetensors(directory / "f.safetensors", {{"a", counting()}, {"a", counting()}}),
      ExitStatus::kFailure, "cannot write the tensor 'a' to a safetensors file: it occurs twice");
  EXPECT_TRUE(SafetensorsFile(directory / "f.safetensors").contains("a"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), {}), 1);
}

TEST(Safetensors, NamesFileAndTensorInErrors) {
  EXPECT_SDXL_ERROR(SafetensorsFile("/nowhere/f.safetensors"), ExitStatus::kFileError,
                    "cannot open '/nowhere/f.safetensors': No such file");
  EXPECT_SDXL_ERROR(SafetensorsFile(kReferenceFile).tensor("nothing"), ExitStatus::kBadData,
                    "dtypes.safetensors: there is no tensor 'nothing'");
  const test::TemporaryDirectory directory;
  EXPECT_SDXL_ERROR(SafetensorsFile{directory.path()}, ExitStatus::kFileError, "cannot map '");
  write_file_atomically(directory / "empty", "");
  EXPECT_SDXL_ERROR(SafetensorsFile{directory / "empty"}, ExitStatus::kBadData, "8 bytes");
}

TEST(Safetensors, OpensALargeFileInstantly) {
  const test::TemporaryDirectory directory;
  const uint64_t size = uint64_t{5} << 30;
  std::string header =
      str(R"({"a":{"dtype":"U8","shape":[)", size, R"(],"data_offsets":[0,)", size, "]}}");
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string start(8, '\0');
  start[0] = static_cast<char>(header.size());
  write_file_atomically(directory / "f.safetensors", start + header);
  fs::resize_file(directory / "f.safetensors", 8 + header.size() + size);  // a hole, not 5 GB
  const std::clock_t begin = std::clock();
  const at::Tensor tensor = SafetensorsFile(directory / "f.safetensors").tensor("a");
  EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC / 10);  // of computing, however busy the machine
  EXPECT_EQ(tensor[static_cast<int64_t>(size) - 1].item<int>(), 0);
}

/// The bytes of a file in the page cache, after dropping them first if asked.
size_t bytes_in_page_cache(const std::filesystem::path& path, bool forget) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (forget) {
    ::fsync(file);
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  }
  const size_t size = std::filesystem::file_size(path);
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((size + page - 1) / page);
  ::mincore(mapped, size, pages.data());
  ::munmap(mapped, size);
  ::close(file);
  return page * std::count_if(pages.begin(), pages.end(), [](auto bits) { return bits & 1; });
}

TEST(Safetensors, PrefetchReadsTheWholeFile) {
  const test::TemporaryDirectory directory;
  const std::filesystem::path path = directory / "large.safetensors";
  write_safetensors(path, {{"weight", at::zeros({48 << 20}, at::kByte)}});
  const size_t size = std::filesystem::file_size(path);
  bytes_in_page_cache(path, /*forget=*/true);
  SafetensorsFile(path).prefetch([] { return false; });
  for (int i = 0; i < 100 && bytes_in_page_cache(path, false) < size; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_GE(bytes_in_page_cache(path, false), size);
}

}  // namespace
}  // namespace sdxl
