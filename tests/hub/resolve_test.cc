// Downloads from a fake Hub to the cache, in Python's layout.
#include "hub/resolve.h"

#include <gtest/gtest.h>

#include "base/files/files.h"
#include "base/hash.h"
#include "fake_hub.h"
#include "hub/cache.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

using test::FakeHub;
using test::large_bytes;
using test::small_model;
using test::TemporaryDirectory;

const FileChoice kEverything = matching({"*"});

fs::path fetch(const FakeHub& hub, const TemporaryDirectory& cache,
               const FileChoice& choice = kEverything) {
  return resolve_repository("me/sdxl", RepositoryKind::kModel, choice, hub.options(cache.path()));
}

TEST(ResolveRepository, ReturnsAPathThatExists) {
  const TemporaryDirectory directory;
  HubOptions options;
  options.endpoint = "http://127.0.0.1:1";
  EXPECT_EQ(
      resolve_repository(directory.path().string(), RepositoryKind::kModel, kEverything, options),
      directory.path());
}

TEST(ResolveRepository, RefusesNamesOfNeitherPathNorRepository) {
  for (const char* name :
       {"", "/nowhere/at/all", "a/b/c", "../x", "a--b/c", "me/x.git", "me/ x", "-a/b"}) {
    EXPECT_SDXL_ERROR(resolve_repository(name, RepositoryKind::kModel, kEverything, {}),
                      ExitStatus::kUsage, "neither a file or directory");
  }
}

TEST(ResolveRepository, FetchesEveryFileInPythonsLayout) {
  const FakeHub hub(small_model());
  const TemporaryDirectory cache;
  const fs::path snapshot = fetch(hub, cache);
  const fs::path folder = cache / "models--me--sdxl";
  EXPECT_EQ(snapshot, folder / "snapshots" / FakeHub::kCommit);
  for (const auto& [path, bytes] : small_model()) {
    EXPECT_EQ(read_file(snapshot / path), bytes) << path;
    EXPECT_EQ(fs::read_symlink(snapshot / path),
              fs::path(path.find('/') == std::string::npos ? "../../blobs" : "../../../blobs") /
                  FakeHub::etag(path, bytes));
  }
  EXPECT_EQ(read_file(folder / "refs/main"), FakeHub::kCommit);
  const Json tree = read_json(folder / "trees" / (std::string(FakeHub::kCommit) + ".json"));
  EXPECT_EQ(tree["format_version"], 1);
  EXPECT_EQ(tree["files"]["README.md"].dump(),
            str("{\"blob_id\":\"", FakeHub::git_hash("# hello"), "\",\"size\":7}"));
  EXPECT_TRUE(fs::exists(cache / "CACHEDIR.TAG"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "blobs"), {}), 7);
}

TEST(ResolveRepository, RequestsNothingTwice) {
  const FakeHub hub(small_model());
  const TemporaryDirectory cache;
  fetch(hub, cache);
  const size_t before = hub.server().requests().size();
  fetch(hub, cache);
  EXPECT_EQ(hub.server().requests().size(), before + 1);  // Which commit main is now.
  HubOptions options = hub.options(cache.path());
  options.revision = FakeHub::kCommit;
  resolve_repository("me/sdxl", RepositoryKind::kModel, kEverything, options);
  EXPECT_EQ(hub.server().requests().size(), before + 1);
}

TEST(ResolveRepository, FetchesDataSetsFromTheirUrls) {
  const FakeHub hub(FakeHub::Files{{"data/train-00000-of-00001.parquet", "PAR1"}});
  const TemporaryDirectory cache;
  const fs::path snapshot = resolve_repository("me/pictures", RepositoryKind::kDataset, kEverything,
                                               hub.options(cache.path()));
  EXPECT_EQ(snapshot.parent_path().parent_path(), cache / "datasets--me--pictures");
  EXPECT_EQ(hub.count("/api/datasets/me/pictures/tree/"), 1);
  EXPECT_EQ(hub.count("/datasets/me/pictures/resolve/"), 1);
}

TEST(ResolveRepository, SendsTheTokenOnlyToTheHub) {
  const FakeHub hub(small_model());
  const TemporaryDirectory cache;
  HubOptions options = hub.options(cache.path());
  options.token = "hf_canary";
  resolve_repository("me/sdxl", RepositoryKind::kModel, kEverything, options);
  int with_token = 0, at_other_host = 0;
  for (const test::ServedRequest& request : hub.server().requests()) {
    const bool other = request.header("host").starts_with("localhost");
    EXPECT_EQ(request.header("authorization"), other ? "" : "Bearer hf_canary") << request.target;
    (other ? at_other_host : with_token) += 1;
  }
  EXPECT_EQ(at_other_host, 3);
  EXPECT_GE(with_token, 9);
}

TEST(ResolveRepository, WorksOfflineFromTheCache) {
  const TemporaryDirectory cache;
  HubOptions options;
  {
    const FakeHub hub(small_model());
    fetch(hub, cache, model_parts({"unet"}, ""));
    options = hub.options(cache.path());
  }
  options.offline = true;
  const auto resolve = [&](const FileChoice& choice) {
    return resolve_repository("me/sdxl", RepositoryKind::kModel, choice, options);
  };
  EXPECT_TRUE(
      fs::exists(resolve(model_parts({"unet"}, "")) / "unet/diffusion_pytorch_model.safetensors"));
  EXPECT_SDXL_ERROR(resolve(model_parts({"vae"}, "")), ExitStatus::kUnavailable, "vae/diffusion");
  options.revision = "other";
  EXPECT_SDXL_ERROR(resolve(kEverything), ExitStatus::kUnavailable, "not in the cache");
}

TEST(ResolveRepository, UsesTheCacheWhenTheHubCannotBeReached) {
  const TemporaryDirectory cache;
  HubOptions options;
  {
    const FakeHub hub(small_model());
    fetch(hub, cache);
    options = hub.options(cache.path());
  }
  EXPECT_TRUE(fs::exists(
      resolve_repository("me/sdxl", RepositoryKind::kModel, kEverything, options) / "README.md"));
  options.cache = cache / "empty";
  EXPECT_SDXL_ERROR(resolve_repository("me/sdxl", RepositoryKind::kModel, kEverything, options),
                    ExitStatus::kUnavailable, "no connection to");
}

TEST(ResolveRepository, CopiesWithoutSymbolicLinks) {
  const FakeHub hub(small_model());
  const TemporaryDirectory cache;
  HubOptions options = hub.options(cache.path());
  options.symlinks = false;
  const fs::path file =
      resolve_repository("me/sdxl", RepositoryKind::kModel, kEverything, options) / "README.md";
  EXPECT_FALSE(fs::is_symlink(file));
  EXPECT_EQ(read_file(file), "# hello");
}

TEST(ResolveRepository, ReplacesADanglingLink) {
  const FakeHub hub(small_model());
  const TemporaryDirectory cache;
  const fs::path file = fetch(hub, cache) / "unet/diffusion_pytorch_model.safetensors";
  fs::remove(fs::canonical(file));
  EXPECT_EQ(read_file(fetch(hub, cache) / "unet/diffusion_pytorch_model.safetensors"),
            large_bytes());
}

TEST(ResolveRepository, RefusesFileNamesThatLeadOutside) {
  for (const char* name :
       {"../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "a//b", "C:evil", "a\nb"}) {
    const FakeHub hub(FakeHub::Files{{name, "x"}});
    const TemporaryDirectory cache;
    EXPECT_SDXL_ERROR(fetch(hub, cache), ExitStatus::kBadData, "not safe");
  }
}

TEST(ResolveRepository, UsesTheProxyOfTheEnvironment) {
  const FakeHub hub(small_model());
  const TemporaryDirectory cache;
  HubOptions options = hub.options(cache.path());
  options.endpoint = "http://hub.invalid";
  ::setenv("HTTP_PROXY", hub.server().url().c_str(), 1);
  EXPECT_TRUE(fs::exists(
      resolve_repository("me/sdxl", RepositoryKind::kModel, kEverything, options) / "README.md"));
  ::unsetenv("HTTP_PROXY");
  ASSERT_FALSE(hub.server().requests().empty());
  EXPECT_EQ(hub.server().requests()[0].target,
            "http://hub.invalid/api/models/me/sdxl/revision/main");
}

TEST(FileChoice, ChoosesTheNeededFilesOfAModel) {
  const FakeHub hub(small_model());
  const TemporaryDirectory cache;
  const fs::path snapshot = fetch(hub, cache, model_parts({"unet", "vae", "tokenizer"}, "fp16"));
  EXPECT_TRUE(fs::exists(snapshot / "unet/diffusion_pytorch_model.fp16.safetensors"));
  EXPECT_FALSE(fs::exists(snapshot / "unet/diffusion_pytorch_model.safetensors"));
  EXPECT_TRUE(fs::exists(snapshot / "vae/diffusion_pytorch_model.safetensors"));
  EXPECT_TRUE(fs::exists(snapshot / "tokenizer/merges.txt"));
  EXPECT_TRUE(fs::exists(snapshot / "unet/config.json"));
  EXPECT_FALSE(fs::exists(snapshot / "README.md"));
}

std::vector<RepositoryFile> listing(const std::vector<std::string>& paths) {
  std::vector<RepositoryFile> files;
  for (const std::string& path : paths) files.push_back({path, 1, std::string(40, '0'), "", 0, ""});
  return files;
}

TEST(FileChoice, RecognisesShardsOfBothNamings) {
  const auto files = listing({"unet/diffusion_pytorch_model-00001-of-00002.safetensors",
                              "unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
                              "unet/diffusion_pytorch_model-00002-of-00002.fp16.safetensors",
                              "unet/diffusion_pytorch_model.safetensors.index.fp16.json",
                              "unet/other.safetensors"});
  EXPECT_EQ(model_parts({"unet"}, "fp16")(files).size(), 3u);
  EXPECT_EQ(model_parts({"unet"}, "")(files).size(), 2u);
}

TEST(FileChoice, RefusesPickles) {
  EXPECT_SDXL_ERROR(model_parts({"unet"}, "")(listing({"unet/diffusion_pytorch_model.bin"})),
                    ExitStatus::kBadData, "pickles");
}

TEST(FileChoice, PrefersTheUsualNameOfLoraWeights) {
  EXPECT_EQ(lora_weights()(listing({"a.safetensors", "pytorch_lora_weights.safetensors"})),
            std::vector<std::string>{"pytorch_lora_weights.safetensors"});
  EXPECT_EQ(lora_weights()(listing({"a.safetensors", "x/b.safetensors"})),
            std::vector<std::string>{"a.safetensors"});
}

}  // namespace
}  // namespace sdxl
