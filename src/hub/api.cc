#include "hub/api.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr int kMaxPages = 10000;

bool is_hash(const std::string& text, size_t length) {
  return text.size() == length && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

uint64_t size_of(const Json& entry, const std::string& source) {
  const auto size = json_value<int64_t>(entry, "size", -1, source);
  if (size < 0) throw bad_data(source, "lists a file without a size");
  return static_cast<uint64_t>(size);
}

RepositoryFile parse_file(const Json& entry, const std::string& source) {
  RepositoryFile file;
  file.path = json_value<std::string>(entry, "path", "", source);
  if (!is_safe_relative_path(file.path)) {
    throw bad_data(source, "lists the file name ", quoted(file.path), ", which is not safe");
  }
  file.size = size_of(entry, source);
  file.blob_id = json_value<std::string>(entry, "oid", "", source);
  file.xet_hash = json_value<std::string>(entry, "xetHash", "", source);
  if (entry.contains("lfs") && entry["lfs"].is_object()) {
    file.lfs_sha256 = json_value<std::string>(entry["lfs"], "oid", "", source);
    file.lfs_size = size_of(entry["lfs"], source);
    file.size = file.lfs_size;
  }
  if (!is_hash(file.blob_id, 40) || (!file.lfs_sha256.empty() && !is_hash(file.lfs_sha256, 64))) {
    throw bad_data(source, "lists ", quoted(file.path), " without a hash");
  }
  return file;
}

/// The URL in `Link: <…>; rel="next"`; "" if there is none.
std::string next_page(const std::string& link) {
  for (const std::string& part : split(link, ',')) {
    const size_t open = part.find('<'), close = part.find('>');
    if (open == std::string::npos || close == std::string::npos || close < open) continue;
    if (part.find("rel=\"next\"", close) == std::string::npos) continue;
    return part.substr(open + 1, close - open - 1);
  }
  return "";
}

}  // namespace

HubApi::HubApi(RepositoryKind kind, std::string id, const HubOptions& options)
    : kind_(kind), id_(std::move(id)), options_(options), client_(options) {
  if (!is_repository_id(id_)) {
    throw Error(ExitStatus::kUsage, quoted(id_),
                " is not a repository of the Hub: give a name such as owner/name");
  }
}

std::string HubApi::name() const {
  return str(kind_ == RepositoryKind::kModel ? "model " : "data set ", quoted(id_));
}

HttpResponse HubApi::request(const std::string& url) {
  HttpResponse response;
  with_retries(options_, [&] {
    HttpRequest get{url};
    get.timeout = options_.api_timeout;
    response = client_.get(get);
    if (response.status != 200) throw_for_status(response, name(), options_);
  });
  return response;
}

std::string HubApi::commit() {
  if (is_commit_hash(options_.revision)) return options_.revision;
  const std::string kind = kind_ == RepositoryKind::kModel ? "models" : "datasets";
  const std::string url = str(options_.endpoint, "/api/", kind, "/", id_, "/revision/",
                              url_quoted(options_.revision, false));
  const Json info = parse_json(request(url).body, url);
  const auto commit = json_value<std::string>(info, "sha", "", url);
  if (!is_commit_hash(commit)) {
    throw bad_data(url, "names no commit; is ", options_.endpoint, " (HF_ENDPOINT) a Hub?");
  }
  return commit;
}

std::vector<RepositoryFile> HubApi::files(const std::string& commit) {
  const std::string kind = kind_ == RepositoryKind::kModel ? "models" : "datasets";
  std::string url = str(options_.endpoint, "/api/", kind, "/", id_, "/tree/", commit,
                        "?recursive=true&expand=false");
  std::vector<RepositoryFile> files;
  for (int page = 0; !url.empty(); ++page) {
    if (page >= kMaxPages) {
      throw bad_data(url, "the list of files has more than ", kMaxPages, " pages");
    }
    const HttpResponse response = request(url);
    const Json entries = parse_json(response.body, url);
    if (!entries.is_array()) throw bad_data(url, "is not a list of files");
    for (const Json& entry : entries) {
      if (json_value<std::string>(entry, "type", "", url) != "file") continue;
      files.push_back(parse_file(entry, url));
    }
    url = next_page(response.header("link"));
    if (!url.empty() && !url.starts_with(options_.endpoint + "/")) {
      // A mirror's links may point to the original server.
      const size_t path = url.find("/api/");
      url = path == std::string::npos ? "" : options_.endpoint + url.substr(path);
    }
  }
  return files;
}

std::string HubApi::download_url(const std::string& commit, const std::string& path) const {
  return str(options_.endpoint, kind_ == RepositoryKind::kModel ? "/" : "/datasets/", id_,
             "/resolve/", commit, "/", url_quoted(path, true));
}

}  // namespace sdxl
