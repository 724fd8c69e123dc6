// Downloads a file of a repository to the cache. Resumes an earlier attempt and checks the hash.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "hub/api.h"
#include "hub/cache.h"
#include "hub/http.h"

namespace sdxl {

struct DownloadJob {
  const RepositoryFile& file;
  std::string url;
  std::string name;  ///< "'unet/x.safetensors' of model 'me/sdxl'", for messages.
};

/// Downloads the file's blob to `cache`. The bytes are in blobs/ETAG.sdxl-XXXXXXXX.incomplete,
/// which a later process may resume, and are renamed once they are complete and have the right
/// hash. Calls `progressed` with the number of new bytes, negative if bytes are discarded.
/// Error(kBadData) if the server keeps sending bytes with another hash; HttpFailure;
/// Error(kFileError).
void download_blob(HttpClient& client, const DownloadJob& job, const RepositoryCache& cache,
                   const HubOptions& options, const std::function<void(int64_t)>& progressed,
                   const std::atomic<bool>* cancelled);

/// Removes incomplete files that have not changed for a day.
void remove_old_incomplete_files(const RepositoryCache& cache);

}  // namespace sdxl
