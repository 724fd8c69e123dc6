// A Hub for tests: repositories in memory, served by the protocol of huggingface.co, with faults.
#pragma once

#include <stdlib.h>

#include <functional>
#include <map>
#include <string>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "hub/options.h"
#include "support/http_server.h"
#include "support/temporary_directory.h"

namespace sdxl::test {

class FakeHub {
 public:
  static constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

  using Files = std::map<std::string, std::string>;
  /// Called before the Hub answers; returns true if it has answered itself.
  using Fault = std::function<bool(const ServedRequest&, ServedConnection&)>;

  explicit FakeHub(Files files, Fault fault = nullptr)
      : files_(std::move(files)),
        fault_(std::move(fault)),
        server_([this](const ServedRequest& request, ServedConnection& connection) {
          if (!fault_ || !fault_(request, connection)) serve(request, connection);
        }) {
    log::set_level(log::Level::kOff);
    ::setenv("no_proxy", "127.0.0.1,localhost", 1);
  }

  const HttpServer& server() const { return server_; }
  const std::string& file(const std::string& path) const { return files_.at(path); }

  /// Options with short waits and the cache `directory`.
  HubOptions options(const std::filesystem::path& directory) const {
    HubOptions options;
    options.endpoint = server_.url();
    options.cache = directory;
    options.api_timeout = options.download_timeout = 1.5;
    options.first_wait = 0.01;
    options.tries = 3;
    return options;
  }

  int count(const std::string& part) const {
    int found = 0;
    for (const ServedRequest& request : server_.requests()) {
      if (request.target.find(part) != std::string::npos) ++found;
    }
    return found;
  }

  static bool is_large(const std::string& path) { return path.ends_with(".safetensors"); }
  static std::string git_hash(const std::string& bytes) {
    return Hasher(HashKind::kSha1)
        .update(str("blob ", bytes.size()))
        .update("\0", 1)
        .update(bytes)
        .hex();
  }
  static std::string etag(const std::string& path, const std::string& bytes) {
    return is_large(path) ? sha256(bytes) : git_hash(bytes);
  }

  /// The part of `bytes` that a Range asks for.
  static void send_file(const ServedRequest& request, ServedConnection& connection,
                        const std::string& bytes) {
    const std::string range = request.header("range");
    if (range.empty()) return connection.answer(200, bytes);
    const size_t from = std::stoull(range.substr(range.find('=') + 1));
    if (from >= bytes.size()) return connection.answer(416, "");
    connection.answer(
        206, std::string_view(bytes).substr(from),
        {{"Content-Range", str("bytes ", from, "-", bytes.size() - 1, "/", bytes.size())}});
  }

 private:
  void serve(const ServedRequest& request, ServedConnection& connection) {
    const std::string path = request.path();
    const size_t resolve = path.find("/resolve/");
    if (path.find("/revision/") != std::string::npos) {
      if (!path.ends_with("/main")) {
        return connection.answer(404, "", {{"X-Error-Code", "RevisionNotFound"}});
      }
      connection.answer(200, Json{{"id", "me/sdxl"}, {"sha", kCommit}}.dump());
    } else if (path.find("/tree/") != std::string::npos) {
      connection.answer(200, tree().dump());
    } else if (path.starts_with("/cdn/")) {
      send_file(request, connection, files_.at(path.substr(5)));
    } else if (resolve != std::string::npos) {
      const std::string name = path.substr(path.find('/', resolve + 9) + 1);
      if (!files_.contains(name)) {
        return connection.answer(404, "", {{"X-Error-Code", "EntryNotFound"}});
      }
      if (!is_large(name)) return send_file(request, connection, files_.at(name));
      // Large files are elsewhere, on a host that must not see the token.
      connection.answer(302, "",
                        {{"Location", server_.url("localhost") + "/cdn/" + name + "?signature=s"}});
    } else {
      connection.answer(404, "", {{"X-Error-Code", "RepoNotFound"}});
    }
  }

  Json tree() const {
    Json list = Json::array({{{"type", "directory"}, {"path", "unet"}, {"oid", "x"}, {"size", 0}}});
    for (const auto& [path, bytes] : files_) {
      Json entry = {
          {"type", "file"}, {"oid", git_hash(bytes)}, {"size", bytes.size()}, {"path", path}};
      if (is_large(path)) {
        entry["lfs"] = {{"oid", sha256(bytes)}, {"size", bytes.size()}, {"pointerSize", 134}};
      }
      list.push_back(entry);
    }
    return list;
  }

  Files files_;
  Fault fault_;
  HttpServer server_;
};

/// A megabyte of incompressible bytes.
inline std::string large_bytes(size_t size = 1 << 20) {
  std::string bytes(size, '\0');
  uint32_t state = 1;
  for (char& c : bytes) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

inline std::map<std::string, std::string> small_model() {
  return {{"model_index.json", R"({"_class_name": "StableDiffusionXLPipeline"})"},
          {"unet/config.json", "{}"},
          {"unet/diffusion_pytorch_model.safetensors", large_bytes()},
          {"unet/diffusion_pytorch_model.fp16.safetensors", large_bytes(1000)},
          {"vae/diffusion_pytorch_model.safetensors", large_bytes(70000)},
          {"tokenizer/merges.txt", "#version: 0.2\n"},
          {"README.md", "# hello"}};
}

}  // namespace sdxl::test
