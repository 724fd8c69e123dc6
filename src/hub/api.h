// The Hub's API for one repository: the commit of a revision and the files of a commit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hub/http.h"
#include "hub/names.h"
#include "hub/options.h"

namespace sdxl {

struct RepositoryFile {
  std::string path;
  uint64_t size = 0;
  std::string blob_id;     ///< Git's SHA-1 of the file, or of its LFS pointer.
  std::string lfs_sha256;  ///< "" for a file that git stores itself.
  uint64_t lfs_size = 0;
  std::string xet_hash;  ///< "" for none.

  /// The hash of the content, which names it in the cache and checks its download.
  const std::string& etag() const { return lfs_sha256.empty() ? blob_id : lfs_sha256; }
};

class HubApi {
 public:
  /// Error(kUsage) unless `id` is a repository id.
  HubApi(RepositoryKind kind, std::string id, const HubOptions& options);

  /// The commit of options.revision. HttpFailure; if it is `unreachable`, a cache may serve
  /// instead.
  std::string commit();
  /// All files of the commit. HttpFailure; Error(kBadData) for an invalid listing.
  std::vector<RepositoryFile> files(const std::string& commit);

  std::string download_url(const std::string& commit, const std::string& path) const;
  /// "model 'me/sdxl'", for messages.
  std::string name() const;

 private:
  HttpResponse request(const std::string& url);

  RepositoryKind kind_;
  std::string id_;
  HubOptions options_;
  HttpClient client_;
};

}  // namespace sdxl
