// One file of a repository into the cache: resumed where an earlier try ended, held to its hash.
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

/// Brings the file's blob into `cache`. It gets its name only when all bytes are there and have the
/// file's hash; until then they are in blobs/ETAG.sdxl-XXXXXXXX.incomplete, which a later process
/// goes on with. `progressed` is told of bytes that are there, and (negative) of such that had to
/// be thrown away. Error(kBadData) if the server keeps sending other bytes; HttpFailure;
/// Error(kFileError).
void download_blob(HttpClient& client, const DownloadJob& job, const RepositoryCache& cache,
                   const HubOptions& options, const std::function<void(int64_t)>& progressed,
                   const std::atomic<bool>* cancelled);

/// Removes what processes left that were stopped more than a day ago.
void remove_old_incomplete_files(const RepositoryCache& cache);

}  // namespace sdxl
