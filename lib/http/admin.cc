#include "http/admin.h"

#include <utility>

#include "base/status.h"

namespace livekit::token::http {
namespace {

Response Plain(int status, std::string_view text) {
  Response response;
  response.status = status;
  response.headers.push_back({"Cache-Control", "no-store"});
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::string(text) + "\n";
  return response;
}

class AdminImpl final : public Admin, private Handler {
 public:
  AdminImpl(const Metrics& metrics, const Lifecycle& lifecycle, std::function<bool()> is_ready)
      : metrics_(metrics), lifecycle_(lifecycle), is_ready_(std::move(is_ready)) {}

  absl::Status Listen(const std::string& address) {
    ServerOptions options;
    options.address = address;
    // A scraper, the kubelet and an operator; idle connections make room for more.
    options.threads = 1;
    options.max_connections = 64;
    auto server = Server::Start(std::move(options), *this);
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  }

  std::string address() const override { return server_->address(); }

 private:
  void Handle(const Request& request, Respond respond) override { respond(Answer(request)); }

  Response Refuse(const Request&, v1::ErrorReason reason) override {
    const ReasonInfo& info = GetReasonInfo(reason);
    Response response = Plain(info.http_status, info.sentence);
    if (info.http_status == 503) response.headers.push_back({"Retry-After", "1"});
    return response;
  }

  Response Answer(const Request& request) const {
    const bool is_probe = request.path == "/livez" || request.path == "/readyz" || request.path == "/startupz";
    if (!is_probe && request.path != "/metrics") return Plain(404, "not found");
    if (request.method != "GET" && request.method != "HEAD") {
      Response response = Plain(405, "method not allowed");
      response.headers.push_back({"Allow", "GET, HEAD"});
      return response;
    }
    if (request.path == "/livez") return Plain(200, "alive");
    if (request.path == "/startupz") return lifecycle_.started() ? Plain(200, "started") : Plain(503, "starting");
    if (request.path == "/readyz") {
      if (lifecycle_.draining()) return Plain(503, "draining");
      return lifecycle_.ready() && (!is_ready_ || is_ready_()) ? Plain(200, "ready") : Plain(503, "unready");
    }
    Response response = Plain(200, "");
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = metrics_.Serialize();
    return response;
  }

  const Metrics& metrics_;
  const Lifecycle& lifecycle_;
  const std::function<bool()> is_ready_;
  // Last, so that no request runs while the rest goes.
  std::unique_ptr<Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Admin>> Admin::Start(const std::string& address, const Metrics& metrics,
                                                    const Lifecycle& lifecycle, std::function<bool()> is_ready) {
  auto admin = std::make_unique<AdminImpl>(metrics, lifecycle, std::move(is_ready));
  LKT_RETURN_IF_ERROR(admin->Listen(address));
  return std::unique_ptr<Admin>(std::move(admin));
}

}  // namespace livekit::token::http
