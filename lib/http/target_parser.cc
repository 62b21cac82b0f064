#include "http/target_parser.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string_view>
#include <utility>

#include "httplib.h"

namespace livekit::token::http {
namespace {

// A request line as httplib's parser wants to see it: from memory, and without anybody to answer to.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(std::string_view input) : input_(input) {}

  bool is_readable() const override { return !input_.empty(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const std::size_t count = std::min(size, input_.size());
    std::memcpy(to, input_.data(), count);
    input_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char*, size_t size) override { return static_cast<ssize_t>(size); }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  std::string_view input_;
};

}  // namespace

class TargetParser::Impl final : public httplib::Server {
 public:
  Impl() {
    set_pre_routing_handler(httplib::Server::HandlerWithResponse(
        [](const httplib::Request&, httplib::Response&) { return HandlerResponse::Handled; }));
  }

  std::optional<std::string> PathOf(const std::string& target) {
    std::optional<std::string> path;
    // Without the query, of which httplib refuses some that RFC 3986 section 3.4 allows.
    const std::string head = "GET " + target.substr(0, target.find('?')) + " HTTP/1.1\r\n\r\n";
    MemoryStream stream(head);
    try {
      Process(*this, stream, [&path](httplib::Request& request) { path = request.path; });
    } catch (...) {
      return std::nullopt;
    }
    return path;
  }

 private:
  // 4 arguments in 0.11 to 0.14, 8 later.
  template <typename Self>
  static void Process(Self& self, httplib::Stream& stream, const std::function<void(httplib::Request&)>& setup) {
    bool closed = false;
    if constexpr (requires { self.process_request(stream, true, closed, setup); }) {
      self.process_request(stream, true, closed, setup);
    } else {
      self.process_request(stream, std::string(), 0, std::string(), 0, true, closed, setup);
    }
  }
};

TargetParser::TargetParser() : impl_(std::make_unique<Impl>()) {}
TargetParser::~TargetParser() = default;

std::optional<std::string> TargetParser::PathOf(const std::string& target) const { return impl_->PathOf(target); }

}  // namespace livekit::token::http
