// HTTP GET by libcurl, with its own rules for redirects, tokens and timeouts.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "hub/options.h"

namespace sdxl {

/// A failed request; the message names it. `retry` says whether it may succeed soon, `wait` how
/// many seconds the server asks to wait (0 if it doesn't). `unreachable` is set if no server of the
/// Hub answered, or only with a server error.
struct HttpFailure : std::runtime_error {
  HttpFailure(const std::string& message, bool retry_later, bool cannot_reach, double seconds = 0)
      : std::runtime_error(message), retry(retry_later), unreachable(cannot_reach), wait(seconds) {}
  bool retry, unreachable;
  double wait;
};

struct HttpResponse {
  long status = 0;
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  std::string url;                             ///< After redirects.
  std::string body;                            ///< Empty if a sink took it.

  /// The header's value; "" if it is absent.
  std::string header(const std::string& name) const;
};

struct HttpRequest {
  std::string url;
  uint64_t from = 0;    ///< Request the bytes from this offset, if not 0.
  double timeout = 10;  ///< Seconds without a byte.
  /// Called with status and headers of a 2xx response before its body; false ends the transfer.
  std::function<bool(const HttpResponse&)> begin = nullptr;
  /// Takes the body of a 2xx response. Without a sink, HttpResponse has it, up to 256 MiB.
  std::function<void(std::string_view)> sink = nullptr;
};

/// Keeps connections open. Not thread-safe.
class HttpClient {
 public:
  explicit HttpClient(const HubOptions& options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Follows redirects and returns the response, whatever its status. Sends the token only to the
  /// endpoint's host, and to huggingface.co by https. HttpFailure if there is no response or
  /// `cancelled` becomes true; Interrupted if a stop is requested; passes on callbacks' exceptions.
  HttpResponse get(const HttpRequest& request, const std::atomic<bool>* cancelled = nullptr);

 private:
  struct Transfer;
  HttpResponse get_once(const HttpRequest& request, const std::string& url,
                        const std::atomic<bool>* cancelled);
  bool may_have_token(const std::string& url) const;

  HubOptions options_;
  void* handle_;
};

/// Calls `attempt`, up to options.tries times and with pauses, while it throws a HttpFailure with
/// `retry` set. Interrupted if a stop is requested.
void with_retries(const HubOptions& options, const std::function<void()>& attempt);

/// Sleeps after failure number `failures`, at least for `asked` seconds. Interrupted if a stop is
/// requested.
void wait_before_retry(const HubOptions& options, int failures, double asked);

/// Throws the HttpFailure for a status other than 2xx. `what` is the subject, such as "model
/// 'me/sdxl'".
[[noreturn]] void throw_for_status(const HttpResponse& response, const std::string& what,
                                   const HubOptions& options);

}  // namespace sdxl
