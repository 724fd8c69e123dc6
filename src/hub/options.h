// Where the Hub is, where its cache is and how patient to be with it.
#pragma once

#include <filesystem>
#include <string>

namespace sdxl {

struct HubOptions {
  std::string endpoint = "https://huggingface.co";  ///< Without a slash at the end.
  std::filesystem::path cache;                      ///< Shared with Python's huggingface_hub.
  std::string token;                                ///< "" for none. Never printed.
  std::string revision = "main";
  bool offline = false;
  bool symlinks = true;  ///< Off: snapshots hold hard links or copies.

  int connections = 4;           ///< Files that are fetched at a time.
  double api_timeout = 10;       ///< Seconds without an answer to a question about a repository.
  double download_timeout = 10;  ///< Seconds without a byte of a file.
  double slowest_window = 60;  ///< A transfer of less than 1 KiB/s over so many seconds is cut off.
  int tries = 5;               ///< Of a request that may succeed later.
  double first_wait = 1;       ///< Seconds before the second try; doubles up to 8.
  double longest_rate_wait = 600;  ///< Seconds that a server may ask to wait (429).
};

/// From HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_OFFLINE and the other
/// variables of huggingface_hub 1.33. Error(kUsage) names one that makes no sense.
HubOptions hub_options_from_environment();

}  // namespace sdxl
