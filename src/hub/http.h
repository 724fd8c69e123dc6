// HTTP by libcurl, as far as the Hub needs it: GET with redirects that are followed by our own
// rules.
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

/// A request that brought no usable answer: which one, and why. `retry` says whether it may work a
/// moment later, `wait` how many seconds the server asked for (0 if it didn't). `unreachable` is
/// set when no server of the Hub could be asked at all or all it said is that it is ill.
struct HttpFailure : std::runtime_error {
  HttpFailure(const std::string& message, bool retry_later, bool cannot_reach, double seconds = 0)
      : std::runtime_error(message), retry(retry_later), unreachable(cannot_reach), wait(seconds) {}
  bool retry, unreachable;
  double wait;
};

struct HttpResponse {
  long status = 0;
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  std::string url;                             ///< The one that answered, after redirects.
  std::string body;                            ///< Of an answer that no sink took.

  /// The header's value, "" if it is not there.
  std::string header(const std::string& name) const;
};

struct HttpRequest {
  std::string url;
  uint64_t from = 0;    ///< Asks for the bytes from here on, if not 0.
  double timeout = 10;  ///< Seconds without a byte.
  /// Called with status and headers of a 2xx answer before its body; false breaks the transfer off.
  std::function<bool(const HttpResponse&)> begin = nullptr;
  /// Takes the body of a 2xx answer; without it, the answer has it (up to 256 MiB).
  std::function<void(std::string_view)> sink = nullptr;
};

/// Not for several threads at once; keeps its connections open.
class HttpClient {
 public:
  explicit HttpClient(const HubOptions& options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// The answer that is no redirect, whatever its status. The token goes to the endpoint's host and
  /// to huggingface.co by https alone. HttpFailure if there is none; exceptions of the callbacks
  /// pass. Interrupted when a stop is requested; HttpFailure when `cancelled` becomes true.
  HttpResponse get(const HttpRequest& request, const std::atomic<bool>* cancelled = nullptr);

 private:
  struct Transfer;
  HttpResponse get_once(const HttpRequest& request, const std::string& url,
                        const std::atomic<bool>* cancelled);
  bool may_have_token(const std::string& url) const;

  HubOptions options_;
  void* handle_;
};

/// Calls `attempt` until it doesn't throw a HttpFailure that is worth another try, `options.tries`
/// times; waits in between. Interrupted when a stop is requested.
void with_retries(const HubOptions& options, const std::function<void()>& attempt);

/// Waits before the try after the `failures`-th; Interrupted when a stop is requested.
void wait_before_retry(const HubOptions& options, int failures, double asked);

/// Throws the HttpFailure that says what a status other than 2xx means for `what`, such as "model
/// 'me/sdxl'".
[[noreturn]] void throw_for_status(const HttpResponse& response, const std::string& what,
                                   const HubOptions& options);

}  // namespace sdxl
