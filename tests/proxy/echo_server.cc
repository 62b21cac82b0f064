// An HTTP server that says what it sees: one JSON line per request on standard output, the first line with its port. It
// answers with the id that the proxy in front gave to the request. Ends when standard input does.
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "http/server.h"

namespace {

namespace http = livekit::token::http;
using livekit::token::HexEncode;

// Hexadecimal wherever the text is a client's.
class EchoHandler final : public http::Handler {
 public:
  void Handle(const http::Request& request, http::Respond respond) override {
    const std::string id = IdOf(request);
    Print("{\"id\":\"" + id + "\",\"refused\":\"\",\"method\":\"" + HexEncode(request.method) + "\",\"path\":\"" +
          HexEncode(request.path) + "\",\"body\":\"" + HexEncode(request.body) + "\"}");
    respond(Answer(200, id, id));
  }

  http::Response Refuse(const http::Request& request, livekit::token::v1::ErrorReason reason) override {
    const std::string id = IdOf(request);
    const std::string name = livekit::token::v1::ErrorReason_Name(reason);
    Print("{\"id\":\"" + id + "\",\"refused\":\"" + name + "\"}");
    return Answer(livekit::token::GetReasonInfo(reason).http_status, id, name);
  }

  void Print(const std::string& line) {
    std::lock_guard lock(mutex_);
    std::puts(line.c_str());
    std::fflush(stdout);
  }

 private:
  static std::string IdOf(const http::Request& request) {
    const auto id = request.SingleHeader("x-proxy-id");
    return id && livekit::token::IsRequestId(*id) ? std::string(*id) : std::string();
  }

  static http::Response Answer(int status, const std::string& id, const std::string& body) {
    http::Response response;
    response.status = status;
    response.headers.push_back({"X-Served-Id", id});
    response.content_type = "text/plain";
    response.body = body;
    return response;
  }

  std::mutex mutex_;
};

}  // namespace

int main() {
  EchoHandler handler;
  http::ServerOptions options;
  options.address = "127.0.0.1:0";
  options.body_paths = {"/token"};
  auto server = http::Server::Start(options, handler);
  if (!server.ok()) {
    std::fprintf(stderr, "echo_server: %s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  handler.Print("{\"port\":" + std::to_string((*server)->port()) + "}");
  while (std::getchar() != EOF) {
  }
  (*server)->Drain(std::chrono::steady_clock::now() + std::chrono::seconds(5));
  return 0;
}
