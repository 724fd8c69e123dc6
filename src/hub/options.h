// Where the Hub and its cache are, and time limits.
#pragma once

#include <filesystem>
#include <string>

namespace sdxl {

struct HubOptions {
  std::string endpoint = "https://huggingface.co";  ///< Without a trailing slash.
  std::filesystem::path cache;                      ///< Shared with Python's huggingface_hub.
  std::string token;                                ///< "" for none. Never printed.
  std::string revision = "main";
  bool offline = false;
  bool symlinks = true;  ///< If false, snapshots have hard links or copies.

  int connections = 4;             ///< Files downloaded at a time.
  double api_timeout = 10;         ///< Seconds without a byte from the API.
  double download_timeout = 10;    ///< Seconds without a byte of a file.
  double slowest_window = 60;      ///< Ends a transfer slower than 1 KiB/s over these seconds.
  int tries = 5;                   ///< Attempts at a request.
  double first_wait = 1;           ///< Seconds before the second attempt; doubles up to 8.
  double longest_rate_wait = 600;  ///< Longest wait, in seconds, that a server may ask for (429).
};

/// Reads the environment variables of huggingface_hub 1.33, such as HF_ENDPOINT, HF_HOME,
/// HF_HUB_CACHE, HF_TOKEN, HF_TOKEN_PATH and HF_HUB_OFFLINE. Error(kUsage) names one with an
/// invalid value.
HubOptions hub_options_from_environment();

}  // namespace sdxl
