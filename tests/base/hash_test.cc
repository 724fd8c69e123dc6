// Hashes against published test vectors.
#include "base/hash.h"

#include "base/files/atomic_files.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

TEST(Hash, MatchesTheExamplesOfSha256) {
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Hash, MatchesGitsSha1) {
  EXPECT_EQ(Hasher(HashKind::kSha1).update("blob 0").update(std::string(1, '\0')).hex(),
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

TEST(Hash, HashesFilesAsTheirBytes) {
  const test::TemporaryDirectory directory;
  const std::string bytes(3'000'000, 'x');
  write_file_atomically(directory / "f", bytes);
  EXPECT_EQ(sha256_of_file(directory / "f"), sha256(bytes));
  EXPECT_SDXL_ERROR(sha256_of_file(directory / "none"), ExitStatus::kFileError, "none");
}

}  // namespace
}  // namespace sdxl
