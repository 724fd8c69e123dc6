// Files: publishing by rename, temporaries, locks, full disks.
#include "base/files/files.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <set>

#include "base/files/atomic_files.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

std::set<std::string> names_in(const fs::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.insert(entry.path().filename());
  return names;
}

/// The result of `body` in a child process.
template <typename Body>
int in_child(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(Files, PublishesAnAtomicFileOnCommit) {
  const test::TemporaryDirectory directory;
  write_file_atomically(directory / "f", "old");
  {
    AtomicFile file(directory / "f");
    file.write("new");
    EXPECT_EQ(read_file(directory / "f"), "old");
    for (const std::string& name : names_in(directory.path())) {
      EXPECT_TRUE(name == "f" || name.rfind(".tmp-", 0) == 0) << name;
    }
    file.commit();
    EXPECT_EQ(read_file(directory / "f"), "new");
  }
  { AtomicFile abandoned(directory / "g"); }
  EXPECT_EQ(names_in(directory.path()), std::set<std::string>{"f"});
}

TEST(Files, RefusesToReplaceIfAsked) {
  const test::TemporaryDirectory directory;
  write_file_atomically(directory / "f", "old");
  AtomicFile file(directory / "f");
  file.write("new");
  EXPECT_SDXL_ERROR(file.commit(false), ExitStatus::kFileError, "exists");
  EXPECT_EQ(read_file(directory / "f"), "old");
}

TEST(Files, ShortensLongNamesOfTemporaries) {
  const test::TemporaryDirectory directory;
  const std::string name(255, 'x');
  write_file_atomically(directory / name, "1");
  EXPECT_EQ(names_in(directory.path()), std::set<std::string>{name});
}

TEST(Files, PublishesAnAtomicDirectoryOnCommit) {
  const test::TemporaryDirectory directory;
  AtomicDirectory filled(directory / "d");
  make_directories(filled.working_path() / "unet");
  write_file_atomically(filled.working_path() / "unet" / "config.json", "{}");
  EXPECT_FALSE(fs::exists(directory / "d"));
  filled.commit();
  EXPECT_EQ(read_file(directory / "d" / "unet/config.json"), "{}");
  AtomicDirectory again(directory / "d");
  EXPECT_SDXL_ERROR(again.commit(), ExitStatus::kFileError, "exists");
}

TEST(Files, ReplacesADirectoryIfAsked) {
  const test::TemporaryDirectory directory;
  for (const std::string content : {"old", "new"}) {
    AtomicDirectory filled(directory / "d");
    write_file_atomically(filled.working_path() / content, content);
    filled.commit(/*replace=*/true);
  }
  EXPECT_EQ(names_in(directory / "d"), std::set<std::string>{"new"});
  EXPECT_EQ(names_in(directory.path()), std::set<std::string>{"d"});
}

TEST(Files, RemovesOnlyTemporariesOfDeadProcesses) {
  const test::TemporaryDirectory directory;
  ASSERT_EQ(in_child([&] {
              new AtomicFile(directory / "dead");
              new AtomicDirectory(directory / "dead-directory");
              return 0;
            }),
            0);
  AtomicFile alive(directory / "alive");
  write_file_atomically(directory / ".tmp-foreign", "");
  ASSERT_EQ(names_in(directory.path()).size(), 4u);
  remove_stale_temporaries(directory.path());
  EXPECT_EQ(names_in(directory.path()).size(), 2u);
  alive.commit();
  EXPECT_EQ(names_in(directory.path()), (std::set<std::string>{".tmp-foreign", "alive"}));
}

TEST(Files, ReportsTheBytesAFullDiskLacks) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  const test::TemporaryDirectory directory;
  LineWriter writer("/dev/full");
  EXPECT_SDXL_ERROR(writer.line("text"), ExitStatus::kFileError, "'/dev/full': No space left");
  EXPECT_SDXL_ERROR(writer.line("text"), ExitStatus::kFileError, "5 B needed");
  EXPECT_SDXL_ERROR(require_free_space(directory.path(), uint64_t{1} << 60), ExitStatus::kFileError,
                    "1.0 EiB needed");
}

TEST(Files, LeavesNothingAfterAFailedWrite) {
  const test::TemporaryDirectory directory;
  const int status = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file_atomically(directory / "f", std::string(2000, 'x'));
    } catch (const Error& error) {
      return static_cast<int>(error.status());
    }
    return 0;
  });
  EXPECT_EQ(status, 74);
  EXPECT_TRUE(names_in(directory.path()).empty());
}

TEST(Files, ReadsWholeFilesUpToALimit) {
  const test::TemporaryDirectory directory;
  const std::string bytes(100'000, '\0');
  write_file_atomically(directory / "f", bytes);
  EXPECT_EQ(read_file(directory / "f"), bytes);
  EXPECT_SDXL_ERROR(read_file(directory / "f", 99'999), ExitStatus::kFileError, "larger than");
  EXPECT_SDXL_ERROR(read_file(directory.path()), ExitStatus::kFileError, "Is a directory");
  EXPECT_SDXL_ERROR(read_file(directory / "none"), ExitStatus::kFileError, "No such file");
}

TEST(Files, MapsFiles) {
  const test::TemporaryDirectory directory;
  write_file_atomically(directory / "f", "bytes");
  write_file_atomically(directory / "empty", "");
  const MappedFile file(directory / "f"), empty(directory / "empty");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.data()), file.size()), "bytes");
  EXPECT_EQ(empty.size(), 0u);
  EXPECT_SDXL_ERROR(MappedFile("/dev/null"), ExitStatus::kFileError, "regular");
}

TEST(Files, ExcludesASecondLock) {
  const test::TemporaryDirectory directory;
  auto lock = FileLock::try_acquire(directory / ".lock");
  ASSERT_NE(lock, nullptr);
  EXPECT_EQ(FileLock::try_acquire(directory / ".lock"), nullptr);
  lock.reset();
  EXPECT_NE(FileLock::acquire(directory / ".lock"), nullptr);
}

TEST(Files, EndsATornLineBeforeAppending) {
  const test::TemporaryDirectory directory;
  LineWriter(directory / "f").line("one");
  std::ofstream(directory / "f", std::ios::app) << "to";
  LineWriter(directory / "f").line("three");
  EXPECT_EQ(read_file(directory / "f"), "one\nto\nthree\n");
}

TEST(Files, MakesDirectoriesUnlessAFileIsInTheWay) {
  const test::TemporaryDirectory directory;
  make_directories(directory / "a/b/c");
  make_directories(directory / "a/b/c");
  write_file_atomically(directory / "f", "");
  EXPECT_SDXL_ERROR(make_directories(directory / "f"), ExitStatus::kFileError, "/f'");
  EXPECT_SDXL_ERROR(make_directories(directory / "f/g"), ExitStatus::kFileError, "/f/g'");
}

}  // namespace
}  // namespace sdxl
