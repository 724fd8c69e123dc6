// A small HTTP/1.1 server on the loopback interface, for tests of clients. It passes each request
// to a function, which may send any valid or invalid response.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sdxl::test {

struct ServedRequest {
  std::string method, target;                  ///< The target with its query.
  std::map<std::string, std::string> headers;  ///< Names in lower case.

  std::string path() const { return target.substr(0, target.find('?')); }
  std::string header(const std::string& name) const {
    auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

/// The connection to which a handler writes its response.
class ServedConnection {
 public:
  explicit ServedConnection(int descriptor) : descriptor_(descriptor) {}

  /// Sends bytes; false if the client has disconnected.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return true;
  }

  using Headers = std::vector<std::pair<std::string, std::string>>;
  /// Sends status line and headers, with a Content-Length of `length` unless `headers` has one.
  void head(int status, size_t length, const Headers& headers = {}) {
    std::string text = "HTTP/1.1 " + std::to_string(status) + " -\r\n";
    bool has_length = false;
    for (const auto& [name, value] : headers) {
      text += name + ": " + value + "\r\n";
      has_length = has_length || name == "Content-Length";
    }
    if (!has_length) text += "Content-Length: " + std::to_string(length) + "\r\n";
    send(text + "\r\n");
  }
  void answer(int status, std::string_view body, const Headers& headers = {}) {
    head(status, body.size(), headers);
    send(body);
  }
  /// Ends the connection after this response.
  void close() { open_ = false; }
  bool is_open() const { return open_; }

 private:
  int descriptor_;
  bool open_ = true;
};

class HttpServer {
 public:
  using Handler = std::function<void(const ServedRequest&, ServedConnection&)>;

  explicit HttpServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no server on the loopback interface");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this](const std::stop_token& stop) { accept_all(stop); });
  }

  ~HttpServer() {
    acceptor_.request_stop();
    acceptor_.join();
    connections_.clear();
    ::close(listener_);
  }

  /// "http://HOST:PORT". To a client, "127.0.0.1" and "localhost" are two hosts.
  std::string url(const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(port_);
  }

  /// All requests so far.
  std::vector<ServedRequest> requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }

 private:
  void accept_all(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd query = {listener_, POLLIN, 0};
      if (::poll(&query, 1, 20) <= 0) continue;
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;
      const int on = 1;
      ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      connections_.emplace_back(
          [this, connection](const std::stop_token& ended) { serve(connection, ended); });
    }
    for (std::jthread& thread : connections_) thread.request_stop();
  }

  void serve(int descriptor, const std::stop_token& stop) {
    ServedConnection connection(descriptor);
    std::string buffer;
    while (connection.is_open() && !stop.stop_requested()) {
      const size_t end = buffer.find("\r\n\r\n");
      if (end != std::string::npos) {
        const ServedRequest request = parse(buffer.substr(0, end));
        buffer.erase(0, end + 4);
        {
          const std::lock_guard<std::mutex> lock(mutex_);
          requests_.push_back(request);
        }
        handler_(request, connection);
        continue;
      }
      pollfd query = {descriptor, POLLIN, 0};
      if (::poll(&query, 1, 20) <= 0) continue;
      char bytes[4096];
      const ssize_t count = ::recv(descriptor, bytes, sizeof bytes, 0);
      if (count <= 0) break;
      buffer.append(bytes, static_cast<size_t>(count));
    }
    ::shutdown(descriptor, SHUT_RDWR);
    ::close(descriptor);
  }

  static ServedRequest parse(const std::string& text) {
    ServedRequest request;
    size_t at = text.find("\r\n");
    const std::string line = text.substr(0, at);
    const size_t first = line.find(' '), second = line.find(' ', first + 1);
    request.method = line.substr(0, first);
    request.target = line.substr(first + 1, second - first - 1);
    while (at != std::string::npos) {
      const size_t begin = at + 2, end = text.find("\r\n", begin), colon = text.find(':', begin);
      if (colon != std::string::npos && colon < end) {
        std::string name = text.substr(begin, colon - begin);
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        request.headers[name] = text.substr(colon + 2, end - colon - 2);
      }
      at = end;
    }
    return request;
  }

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<ServedRequest> requests_;
  std::list<std::jthread> connections_;
  std::jthread acceptor_;
};

}  // namespace sdxl::test
