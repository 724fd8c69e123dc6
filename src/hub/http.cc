#include "hub/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <exception>
#include <thread>

#include "base/clock.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxBody = size_t{256} << 20;
constexpr size_t kMaxErrorBody = 4096;
constexpr double kMaxWait = 8;
constexpr uint64_t kMinRate = 1024;  // bytes a second

struct UrlParts {
  std::string scheme, host, port;
  bool operator==(const UrlParts&) const = default;
};

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string result = text;
  curl_free(text);
  return result;
}

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

Url parse_url(const std::string& text) {
  Url url(curl_url(), &curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) url.reset();
  return url;
}

UrlParts parts_of(const std::string& text) {
  const Url url = parse_url(text);
  if (!url) return {};
  return {url_part(url.get(), CURLUPART_SCHEME), url_part(url.get(), CURLUPART_HOST),
          url_part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT)};
}

/// Resolves `location` against `base`; "" if it is not a URL.
std::string absolute_url(const std::string& base, const std::string& location) {
  const Url url = parse_url(base);
  if (!url || curl_url_set(url.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) return "";
  return url_part(url.get(), CURLUPART_URL);
}

/// The URL for messages, without its query, where signed URLs have their signature.
std::string shown_url(const std::string& url) {
  return log::redacted(escaped(url.substr(0, url.find_first_of("?#"))));
}

/// The proxy for `url`. libcurl itself ignores the upper-case HTTP_PROXY.
std::string proxy_of(const std::string& url) {
  const bool secure = url.starts_with("https://");
  for (const char* name : {secure ? "https_proxy" : "http_proxy",
                           secure ? "HTTPS_PROXY" : "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) {
    std::string value = environment(name);
    if (!value.empty()) return value;
  }
  return "";
}

std::string through_proxy(const std::string& url) {
  const std::string proxy = proxy_of(url);
  return proxy.empty() ? "" : str(" through the proxy ", log::redacted(escaped(proxy)));
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

double number_after(std::string_view text, std::string_view key) {
  const size_t at = key.empty() ? 0 : text.find(key);
  if (at == std::string_view::npos) return 0;
  const std::string_view digits = trimmed(text.substr(at + key.size()));
  double value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value > 0 ? value : 0;
}

/// The wait that a status of 429 asks for: Retry-After in seconds, or t= of the header ratelimit.
double asked_wait(const HttpResponse& response) {
  const double seconds = number_after(response.header("retry-after"), "");
  if (seconds > 0) return seconds;
  const double reset = number_after(response.header("ratelimit"), "t=");
  return reset > 0 ? reset + 1 : 0;
}

/// Throws the HttpFailure for libcurl's error. `received` counts the bytes before it.
[[noreturn]] void throw_for_code(CURLcode code, const char* detail, const std::string& url,
                                 uint64_t received) {
  const std::string where = str(shown_url(url), through_proxy(url));
  const std::string why = *detail != '\0' ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      throw HttpFailure(str("no connection to ", where, ": ", escaped(why),
                            "; check the network, HF_ENDPOINT and the proxy variables, or use "
                            "--offline to use downloaded files"),
                        true, true);
    case CURLE_OPERATION_TIMEDOUT:
      throw HttpFailure(str(where, " does not answer: ", escaped(why)), true, true);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      throw HttpFailure(str("the certificate of ", where, " cannot be trusted: ", escaped(why),
                            "; set SSL_CERT_FILE to a file with its certificate authority"),
                        false, false);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      throw HttpFailure(str(where, " is not a valid URL"), false, false);
    default:
      throw HttpFailure(
          str("the connection to ", where, " broke after ", received, " bytes: ", escaped(why)),
          true, received == 0);
  }
}

}  // namespace

std::string HttpResponse::header(const std::string& name) const {
  auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

struct HttpClient::Transfer {
  const HttpRequest& request;
  const HubOptions& options;
  const std::atomic<bool>* cancelled;
  HttpResponse response = {};
  bool begun = false, refused = false, cut_off = false;
  std::exception_ptr thrown = {};
  Clock::time_point last_byte = Clock::now(), window = Clock::now();
  uint64_t received = 0, received_at_window = 0;

  bool good() const { return response.status >= 200 && response.status < 300; }

  void take_header(std::string_view line) {
    last_byte = Clock::now();
    if (line.starts_with("HTTP/")) response.headers.clear();
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    response.headers[lower(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
  }

  /// Returns false to end the transfer.
  bool take_body(void* handle, std::string_view bytes) {
    last_byte = Clock::now();
    received += bytes.size();
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &response.status);
    if (good() && !begun) {
      begun = true;
      if (request.begin && !request.begin(response)) {
        refused = true;
        return false;
      }
    }
    if (good() && request.sink) {
      request.sink(bytes);
    } else if (response.body.size() + bytes.size() <= (good() ? kMaxBody : kMaxErrorBody)) {
      response.body.append(bytes);
    }
    return true;
  }

  /// Whether to continue; libcurl calls it about once a second.
  bool may_continue() {
    if (stop_requested() != 0 || (cancelled != nullptr && cancelled->load())) return false;
    if (seconds_since(last_byte) > request.timeout) cut_off = true;
    if (seconds_since(window) > options.slowest_window) {
      const auto least = static_cast<uint64_t>(options.slowest_window * kMinRate);
      if (received - received_at_window < least) cut_off = true;
      window = Clock::now();
      received_at_window = received;
    }
    return !cut_off;
  }

  static size_t on_header(char* data, size_t, size_t size, void* self) {
    return static_cast<Transfer*>(self)->guarded(size, [&](Transfer& t) {
      t.take_header(std::string_view(data, size));
      return true;
    });
  }
  static size_t on_body(char* data, size_t, size_t size, void* self) {
    return static_cast<Transfer*>(self)->guarded(
        size, [&](Transfer& t) { return t.take_body(t.handle, std::string_view(data, size)); });
  }
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Transfer*>(self)->may_continue() ? 0 : 1;
  }

  /// Keeps exceptions from passing through libcurl.
  template <typename Function>
  size_t guarded(size_t size, const Function& function) {
    try {
      return function(*this) ? size : 0;
    } catch (...) {
      thrown = std::current_exception();
      return 0;
    }
  }

  void* handle = nullptr;
};

HttpClient::HttpClient(const HubOptions& options) : options_(options) {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  handle_ = ready ? curl_easy_init() : nullptr;
  if (handle_ == nullptr) throw Error(ExitStatus::kUnavailable, "libcurl cannot be initialised");
}

HttpClient::~HttpClient() { curl_easy_cleanup(handle_); }

bool HttpClient::may_have_token(const std::string& url) const {
  const UrlParts target = parts_of(url);
  return target == parts_of(options_.endpoint) ||
         target == UrlParts{"https", "huggingface.co", "443"};
}

HttpResponse HttpClient::get_once(const HttpRequest& request, const std::string& url,
                                  const std::atomic<bool>* cancelled) {
  Transfer transfer{request, options_, cancelled};
  transfer.handle = handle_;
  char detail[CURL_ERROR_SIZE] = "";
  curl_slist* headers = nullptr;
  const auto add_header = [&](const std::string& line) {
    headers = curl_slist_append(headers, line.c_str());
  };
  add_header("Accept-Encoding: identity");
  add_header("x-hf-download-counter: 1");
  if (!options_.token.empty() && may_have_token(url)) {
    add_header("Authorization: Bearer " + options_.token);
  }
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> owner(headers,
                                                                          &curl_slist_free_all);
  curl_easy_reset(handle_);
  const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(handle_, option, value); };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_HTTPHEADER, headers);
  set(CURLOPT_USERAGENT, "sdxl");
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NETRC, long{CURL_NETRC_IGNORED});
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.timeout * 1000));
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(detail));
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  set(CURLOPT_XFERINFODATA, &transfer);
  set(CURLOPT_NOPROGRESS, 0L);
  const std::string range = str(request.from, "-");
  if (request.from > 0) set(CURLOPT_RANGE, range.c_str());
  const std::string proxy = proxy_of(url);
  if (!proxy.empty()) set(CURLOPT_PROXY, proxy.c_str());
  for (const char* name : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}) {
    const std::string file = environment(name);
    if (file.empty()) continue;
    set(CURLOPT_CAINFO, file.c_str());
    break;
  }

  const CURLcode code = curl_easy_perform(handle_);
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  throw_if_stop_requested("the download");
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &transfer.response.status);
  transfer.response.url = url;
  if (transfer.refused) return transfer.response;
  if (transfer.cut_off) {
    throw HttpFailure(
        str(shown_url(url), through_proxy(url), ": timed out after ", transfer.received, " bytes"),
        true, transfer.received == 0);
  }
  if (cancelled != nullptr && cancelled->load()) throw HttpFailure("cancelled", false, false);
  if (code != CURLE_OK) throw_for_code(code, detail, url, transfer.received);
  if (transfer.good() && !transfer.begun && request.begin) request.begin(transfer.response);
  return transfer.response;
}

HttpResponse HttpClient::get(const HttpRequest& request, const std::atomic<bool>* cancelled) {
  std::string url = request.url;
  for (int redirects = 0; redirects <= kMaxRedirects; ++redirects) {
    HttpResponse response = get_once(request, url, cancelled);
    if (!is_redirect(response.status)) return response;
    const std::string location = response.header("location");
    const std::string next = location.empty() ? "" : absolute_url(url, location);
    const bool downgrade = url.starts_with("https://") && !next.starts_with("https://");
    if (next.empty() || downgrade) {
      throw HttpFailure(str(shown_url(url), " redirects to ", quoted(shown_url(location)),
                            ", which is not followed"),
                        false, false);
    }
    url = next;
  }
  throw HttpFailure(str(shown_url(request.url), " redirects more than ", kMaxRedirects, " times"),
                    false, false);
}

void wait_before_retry(const HubOptions& options, int failures, double asked) {
  double wait = options.first_wait;
  for (int i = 1; i < failures; ++i) wait = std::min(2 * wait, kMaxWait);
  wait = std::max(wait, asked);
  for (const auto begin = Clock::now(); seconds_since(begin) < wait;) {
    throw_if_stop_requested("the download");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void with_retries(const HubOptions& options, const std::function<void()>& attempt) {
  for (int failures = 1;; ++failures) {
    try {
      return attempt();
    } catch (const HttpFailure& failure) {
      if (!failure.retry || failures >= options.tries) throw;
      log::warning(str(failure.what(), "; trying again"));
      wait_before_retry(options, failures, failure.wait);
    }
  }
}

void throw_for_status(const HttpResponse& response, const std::string& what,
                      const HubOptions& options) {
  const long status = response.status;
  const std::string code = response.header("x-error-code");
  const std::string said = response.header("x-error-message");
  const std::string where =
      str(" (", status, " from ", shown_url(response.url), through_proxy(response.url),
          said.empty() ? "" : ": " + escaped(said.substr(0, 300)), ")");
  const std::string token_remedy =
      options.token.empty() ? "if it is private, set HF_TOKEN to a token with read access"
                            : "the token in use has no read access to it";
  if (status == 429) {
    const double wait = asked_wait(response);
    const bool acceptable = wait <= options.longest_rate_wait;
    throw HttpFailure(str(what, ": too many requests", where, acceptable ? "" : "; try again in ",
                          acceptable ? "" : duration_text(wait)),
                      acceptable, false, wait);
  }
  if (status == 408 || status >= 500) {
    throw HttpFailure(str(what, ": server error", where, "; try again later"),
                      status != 501 && status != 505, true);
  }
  std::string problem;
  if (code == "GatedRepo") {
    problem = str(what, ": its terms must be accepted first, at ", options.endpoint,
                  ", by the owner of the token in HF_TOKEN");
  } else if (code == "RevisionNotFound") {
    problem = str(what, ": no revision ", quoted(options.revision), "; see --revision");
  } else if (code == "EntryNotFound") {
    problem = str(what, ": no such file");
  } else if (status == 401) {
    problem = str(what, ": not found or private; ", token_remedy);
  } else if (status == 403) {
    problem = str(what, ": access denied; ", token_remedy);
  } else if (status == 404 || code == "RepoNotFound") {
    problem = str(what, ": not found; check its name, and ", token_remedy);
  } else {
    problem = str(what, ": unexpected response");
  }
  throw HttpFailure(problem + where, false, false);
}

}  // namespace sdxl
