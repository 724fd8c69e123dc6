// A faulty Hub: every fault ends in the right file or in an error that names it, never in a wrong
// blob.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/stop.h"
#include "fake_hub.h"
#include "hub/resolve.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

using test::FakeHub;
using test::large_bytes;
using test::ServedConnection;
using test::ServedRequest;
using test::TemporaryDirectory;

const std::string kFile = "unet/diffusion_pytorch_model.safetensors";

/// A Hub with one large file and a fault, which is passed the number of earlier requests.
class Faulty {
 public:
  using Answer = std::function<bool(int, const ServedRequest&, ServedConnection&)>;
  explicit Faulty(Answer answer)
      : hub({{kFile, large_bytes()}}, [this, answer](const auto& request, auto& connection) {
          return request.path().starts_with("/cdn/") && answer(count++, request, connection);
        }) {}

  std::string fetch() const { return fetch(hub.options(cache.path())); }
  std::string fetch(const HubOptions& options) const {
    return read_file(
        resolve_repository("me/sdxl", RepositoryKind::kModel, matching({"*"}), options) / kFile);
  }
  size_t blobs() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(cache / "models--me--sdxl/blobs"), {}));
  }
  bool has_blob() const {
    return fs::exists(cache / "models--me--sdxl/blobs" / FakeHub::etag(kFile, large_bytes()));
  }

  TemporaryDirectory cache;
  std::atomic<int> count = 0;
  FakeHub hub;
};

TEST(HubFaults, ResumesABrokenTransfer) {
  const Faulty faulty([](int n, const ServedRequest& request, ServedConnection& connection) {
    if (n > 3) return false;
    const std::string bytes = large_bytes();
    const size_t from = n == 0 ? 0 : std::stoull(request.header("range").substr(6));
    connection.head(
        n == 0 ? 200 : 206, bytes.size() - from,
        {{"Content-Range", str("bytes ", from, "-", bytes.size() - 1, "/", bytes.size())}});
    connection.send(std::string_view(bytes).substr(from, 100000));
    connection.close();
    return true;
  });
  EXPECT_EQ(faulty.fetch(), large_bytes());
  EXPECT_EQ(faulty.hub.server().requests().back().header("range"), "bytes=400000-");
  EXPECT_EQ(faulty.blobs(), 1u);
}

TEST(HubFaults, ResumesTheFileOfAKilledProcess) {
  const Faulty faulty([](int, const ServedRequest&, ServedConnection&) { return false; });
  const fs::path blobs = faulty.cache / "models--me--sdxl/blobs";
  fs::create_directories(blobs);
  const std::string etag = FakeHub::etag(kFile, large_bytes());
  write_file_atomically(blobs / (etag + ".sdxl-0a1b2c3d.incomplete"),
                        large_bytes().substr(0, 500000));
  EXPECT_EQ(faulty.fetch(), large_bytes());
  EXPECT_EQ(faulty.hub.server().requests().back().header("range"), "bytes=500000-");
  EXPECT_EQ(faulty.blobs(), 1u);
}

TEST(HubFaults, ChecksTheFileOfAKilledProcess) {
  const Faulty faulty([](int, const ServedRequest&, ServedConnection&) { return false; });
  const fs::path blobs = faulty.cache / "models--me--sdxl/blobs";
  fs::create_directories(blobs);
  const std::string etag = FakeHub::etag(kFile, large_bytes());
  write_file_atomically(blobs / (etag + ".sdxl-0a1b2c3d.incomplete"), std::string(1 << 20, 'x'));
  EXPECT_EQ(faulty.fetch(), large_bytes());
}

TEST(HubFaults, RestartsIfTheServerLacksRanges) {
  const Faulty faulty([](int n, const ServedRequest&, ServedConnection& connection) {
    connection.head(200, 1 << 20);
    connection.send(std::string_view(large_bytes()).substr(0, n == 0 ? 300000 : 1 << 20));
    if (n == 0) connection.close();
    return true;
  });
  EXPECT_EQ(faulty.fetch(), large_bytes());
}

TEST(HubFaults, DiscardsAWrongRange) {
  const Faulty faulty([](int n, const ServedRequest&, ServedConnection& connection) {
    if (n > 1) return false;
    connection.head(n == 0 ? 200 : 206, 1 << 20, {{"Content-Range", "bytes 5-1048575/1048576"}});
    connection.send(std::string_view(large_bytes()).substr(0, 300000));
    connection.close();
    return true;
  });
  EXPECT_EQ(faulty.fetch(), large_bytes());
}

TEST(HubFaults, RestartsAfterARefusedRange) {
  const Faulty faulty([](int n, const ServedRequest&, ServedConnection& connection) {
    if (n > 1) return false;
    if (n == 1) {
      connection.answer(416, "");
      return true;
    }
    connection.head(200, 1 << 20);
    connection.send("abc");
    connection.close();
    return true;
  });
  EXPECT_EQ(faulty.fetch(), large_bytes());
}

TEST(HubFaults, NeverPublishesWrongBytes) {
  const Faulty faulty([](int, const ServedRequest&, ServedConnection& connection) {
    connection.answer(200, std::string(1 << 20, 'x'));
    return true;
  });
  EXPECT_SDXL_ERROR(faulty.fetch(), ExitStatus::kBadData, "other bytes than the repository's hash");
  EXPECT_FALSE(faulty.has_blob());
  EXPECT_EQ(faulty.count, 3);
}

TEST(HubFaults, RetriesAfterWrongBytes) {
  const Faulty faulty([](int n, const ServedRequest&, ServedConnection& connection) {
    if (n > 0) return false;
    connection.answer(200, std::string(1 << 20, 'x'));
    return true;
  });
  EXPECT_EQ(faulty.fetch(), large_bytes());
}

TEST(HubFaults, RefusesOtherLengthsAndEncodings) {
  for (const auto& headers : {ServedConnection::Headers{{"Content-Length", "5"}},
                              ServedConnection::Headers{{"Content-Encoding", "gzip"}}}) {
    const Faulty faulty([&](int, const ServedRequest&, ServedConnection& connection) {
      connection.answer(200, "bytes", headers);
      connection.close();
      return true;
    });
    EXPECT_SDXL_ERROR(faulty.fetch(), ExitStatus::kUnavailable, kFile);
    EXPECT_FALSE(faulty.has_blob());
  }
}

TEST(HubFaults, RefusesTooManyBytes) {
  const Faulty faulty([](int, const ServedRequest&, ServedConnection& connection) {
    connection.send("HTTP/1.1 200 -\r\nConnection: close\r\n\r\n");
    connection.send(large_bytes(1100000));
    connection.close();
    return true;
  });
  EXPECT_SDXL_ERROR(faulty.fetch(), ExitStatus::kUnavailable, "more than 1048576 bytes");
}

TEST(HubFaults, RetriesServerErrorsAndNamesThem) {
  for (int status : {408, 500, 502, 503, 504}) {
    const Faulty recovers([&](int n, const ServedRequest&, ServedConnection& connection) {
      if (n < 2) connection.answer(status, "oops");
      return n < 2;
    });
    EXPECT_EQ(recovers.fetch(), large_bytes());
    const Faulty stays([&](int, const ServedRequest&, ServedConnection& connection) {
      connection.answer(status, "oops");
      return true;
    });
    EXPECT_SDXL_ERROR(stays.fetch(), ExitStatus::kUnavailable, str(status, " from http://"));
    EXPECT_EQ(stays.count, 3);
  }
}

TEST(HubFaults, WaitsAsLongAsTheServerAsks) {
  const auto begin = std::chrono::steady_clock::now();
  const Faulty faulty([](int n, const ServedRequest&, ServedConnection& connection) {
    if (n == 0) connection.answer(429, "", {{"Retry-After", "0.2"}});
    if (n == 1) connection.answer(429, "", {{"ratelimit", "\"api\";r=0;t=0.1"}});
    return n < 2;
  });
  EXPECT_EQ(faulty.fetch(), large_bytes());
  EXPECT_GT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1300));
}

TEST(HubFaults, RefusesToWaitTooLong) {
  const Faulty faulty([](int, const ServedRequest&, ServedConnection& connection) {
    connection.answer(429, "", {{"Retry-After", "7200"}});
    return true;
  });
  EXPECT_SDXL_ERROR(faulty.fetch(), ExitStatus::kUnavailable, "2:00:00");
  EXPECT_EQ(faulty.count, 1);
}

TEST(HubFaults, LimitsRedirects) {
  const Faulty faulty([](int, const ServedRequest& request, ServedConnection& connection) {
    connection.answer(302, "", {{"Location", request.target}});
    return true;
  });
  EXPECT_SDXL_ERROR(faulty.fetch(), ExitStatus::kUnavailable, "redirects more than 10 times");
}

TEST(HubFaults, KeepsTheQueryOfARelativeRedirect) {
  const Faulty faulty([](int n, const ServedRequest&, ServedConnection& connection) {
    if (n == 0) connection.answer(307, "", {{"Location", "/cdn/" + kFile + "?again=1&x=%2F"}});
    return n == 0;
  });
  EXPECT_EQ(faulty.fetch(), large_bytes());
  EXPECT_EQ(faulty.hub.count("?again=1&x=%2F"), 1);
}

TEST(HubFaults, TimesOutOnASilentServer) {
  const Faulty faulty([](int, const ServedRequest&, ServedConnection& connection) {
    connection.head(200, 1 << 20);
    connection.send("abc");
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    return true;
  });
  HubOptions options = faulty.hub.options(faulty.cache.path());
  options.download_timeout = 0.3;
  options.tries = 1;
  EXPECT_SDXL_ERROR(faulty.fetch(options), ExitStatus::kUnavailable, "timed out after 3 bytes");
}

TEST(HubFaults, CutsOffATooSlowServer) {
  const Faulty faulty([](int, const ServedRequest&, ServedConnection& connection) {
    connection.head(200, 1 << 20);
    for (int i = 0; i < 20 && connection.send("a"); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    connection.close();
    return true;
  });
  HubOptions options = faulty.hub.options(faulty.cache.path());
  options.slowest_window = 0.5;
  options.tries = 1;
  EXPECT_SDXL_ERROR(faulty.fetch(options), ExitStatus::kUnavailable, "timed out after");
}

TEST(HubFaults, ExplainsRefusals) {
  const std::vector<std::tuple<int, std::string, std::string>> cases = {
      {401, "", "set HF_TOKEN to a token with read access"},
      {401, "RepoNotFound", "not found"},
      {403, "GatedRepo", "its terms must be accepted first"},
      {403, "", "access denied"},
      {404, "RepoNotFound", "not found; check its name"},
      {404, "RevisionNotFound", "no revision 'main'"},
      {418, "", "unexpected response"}};
  for (const auto& [status, code, part] : cases) {
    const FakeHub hub({}, [&](const ServedRequest&, ServedConnection& connection) {
      connection.answer(status, "", {{"X-Error-Code", code}, {"X-Error-Message", "because"}});
      return true;
    });
    const TemporaryDirectory cache;
    EXPECT_SDXL_ERROR(resolve_repository("me/sdxl", RepositoryKind::kModel, matching({"*"}),
                                         hub.options(cache.path())),
                      ExitStatus::kUnavailable, part);
    EXPECT_EQ(hub.server().requests().size(), 1u);
  }
}

TEST(HubFaults, RejectsResponsesOfOtherServers) {
  for (const char* body : {"<html>", "[]", "{}", R"({"sha": "main"})", R"({"sha": 5})"}) {
    const FakeHub hub({}, [&](const ServedRequest&, ServedConnection& connection) {
      connection.answer(200, body);
      return true;
    });
    const TemporaryDirectory cache;
    EXPECT_SDXL_ERROR(resolve_repository("me/sdxl", RepositoryKind::kModel, matching({"*"}),
                                         hub.options(cache.path())),
                      ExitStatus::kBadData, "revision/main");
  }
}

TEST(HubFaults, ReadsAllPagesOfAList) {
  const std::string first = "/api/models/me/sdxl/tree/" + std::string(FakeHub::kCommit);
  const FakeHub hub({{"a.json", "1"}, {"b.json", "22"}}, [&](const ServedRequest& request,
                                                             ServedConnection& connection) {
    if (request.path() != first) return false;
    const bool second = request.target.find("cursor=2") != std::string::npos;
    const std::string bytes = second ? "22" : "1";
    const Json page = {{{"type", "file"},
                        {"path", second ? "b.json" : "a.json"},
                        {"size", bytes.size()},
                        {"oid", FakeHub::git_hash(bytes)}}};
    ServedConnection::Headers headers;
    if (!second) {
      headers = {{"Link", "<https://huggingface.co" + first + "?cursor=2>; rel=\"next\""}};
    }
    connection.answer(200, page.dump(), headers);
    return true;
  });
  const TemporaryDirectory cache;
  const fs::path snapshot = resolve_repository("me/sdxl", RepositoryKind::kModel, matching({"*"}),
                                               hub.options(cache.path()));
  EXPECT_EQ(read_file(snapshot / "b.json"), "22");
}

TEST(HubFaults, ReportsAFullDisk) {
  const Faulty faulty([](int, const ServedRequest&, ServedConnection&) { return false; });
  rlimit limit, old;
  ::getrlimit(RLIMIT_FSIZE, &old);
  limit = {300000, old.rlim_max};
  ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_SDXL_ERROR(faulty.fetch(), ExitStatus::kFileError, "incomplete'");
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_FALSE(faulty.has_blob());
  EXPECT_EQ(faulty.fetch(), large_bytes());  // And goes on when there is room.
}

TEST(HubFaults, StopsADownloadOnRequest) {
  const Faulty faulty([](int, const ServedRequest&, ServedConnection& connection) {
    connection.head(200, 1 << 20);
    connection.send("abc");
    request_stop(15);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return true;
  });
  EXPECT_THROW(faulty.fetch(), Interrupted);
  request_stop(0);
}

TEST(HubFaults, FetchesEachFileOnceInParallelDownloads) {
  const Faulty faulty([](int, const ServedRequest&, ServedConnection&) { return false; });
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(faulty.fetch(), large_bytes()); });
  }
  threads.clear();
  EXPECT_EQ(faulty.count, 1);
  EXPECT_EQ(faulty.blobs(), 1u);
}

}  // namespace
}  // namespace sdxl
