#include "http/admin.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/status.h"
#include "service/limits.h"

namespace livekit::token::http {
namespace {

// What is served beside the pages.
constexpr std::array<std::string_view, 4> kRoutes = {"/livez", "/readyz", "/startupz", "/metrics"};

bool IsLimited(std::string_view path) {
  const auto table = LimitTable();
  return std::any_of(table.begin(), table.end(),
                     [&](const LimitRow& row) { return row.surface == "admin" && row.name == path; });
}

Response Plain(int status, std::string_view text) {
  Response response;
  response.status = status;
  response.headers.push_back({"Cache-Control", "no-store"});
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::string(text) + "\n";
  return response;
}

Response Content(std::string type, std::string body) {
  Response response = Plain(200, "");
  response.content_type = std::move(type);
  response.body = std::move(body);
  return response;
}

// Whether one of the query's parameters has this name.
bool HasParameter(std::string_view query, std::string_view name) {
  for (;;) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    if (parameter.substr(0, parameter.find('=')) == name) return true;
    if (end == query.size()) return false;
    query.remove_prefix(end + 1);
  }
}

// Whether somebody on this machine asks. The host too: a page of a browser here may have a name of its own point to
// 127.0.0.1 (DNS rebinding), and would then read what it gets.
bool IsLocal(const Request& request) {
  if (ClassifyHost(request.peer_address) != HostKind::kLoopback) return false;
  const auto hosts = request.HeaderValues("host");
  return std::all_of(hosts.begin(), hosts.end(), [](std::string_view value) {
    const auto host = HostOf(value);
    return host && IsLocalHost(*host);
  });
}

class AdminHandler final : public Handler {
 public:
  explicit AdminHandler(AdminOptions options) : options_(std::move(options)) {}

  void Handle(const Request& request, Respond respond) override { respond(Answer(request)); }

  Response Refuse(const Request&, v1::ErrorReason reason) override {
    const ReasonInfo& info = GetReasonInfo(reason);
    Response response = Plain(info.http_status, info.sentence);
    if (info.http_status == 503) response.headers.push_back({"Retry-After", "1"});
    return response;
  }

 private:
  Response Answer(const Request& request) const {
    const auto page = options_.pages.find(request.path);
    const bool is_route = std::find(kRoutes.begin(), kRoutes.end(), request.path) != kRoutes.end();
    if (!is_route && page == options_.pages.end()) return Plain(404, "not found");
    if (request.method != "GET" && request.method != "HEAD") {
      Response response = Plain(405, "method not allowed");
      response.headers.push_back({"Allow", "GET, HEAD"});
      return response;
    }
    if (request.path == "/livez") return IsLive() ? Plain(200, "alive") : Plain(503, "stuck");
    if (request.path == "/readyz") return Readiness(request);
    if (request.path == "/startupz") {
      return options_.lifecycle.started() ? Plain(200, "started") : Plain(503, "starting");
    }
    if (request.path == "/metrics")
      return Content("text/plain; version=0.0.4; charset=utf-8", options_.metrics.Serialize());
    if (!IsLocal(request)) return Plain(403, "only for clients on this machine");
    AdminPage content = page->second();
    return Content(std::move(content.content_type), std::move(content.body));
  }

  bool IsLive() const { return options_.heartbeats.Late(std::chrono::steady_clock::now()).empty(); }

  Response Readiness(const Request& request) const {
    const Lifecycle& lifecycle = options_.lifecycle;
    const bool ready = lifecycle.Ready();
    Response response = Plain(ready ? 200 : 503, ready ? "ready" : lifecycle.draining() ? "draining" : "unready");
    if (!HasParameter(request.query, "verbose") || !IsLocal(request)) return response;
    for (const Check& check : lifecycle.Checks()) {
      response.body += check.name + ": " + (check.ok ? "ok" : check.detail) + "\n";
    }
    return response;
  }

  const AdminOptions options_;
};

class AdminImpl final : public Admin {
 public:
  explicit AdminImpl(AdminOptions options)
      : address_(options.address), lifecycle_(options.lifecycle), handler_(MakeAdminHandler(std::move(options))) {}

  absl::Status Listen() {
    ServerOptions options;
    options.address = address_;
    // A scraper, the kubelet and an operator; idle connections make room for more.
    options.threads = 1;
    options.max_connections = 64;
    options.may_use_last_descriptors = true;  // a probe that finds none has the process restarted
    options.on_listener_lost = [this] { lifecycle_.Fail(); };
    LKT_ASSIGN_OR_RETURN(server_, Server::Start(std::move(options), *handler_));
    return absl::OkStatus();
  }

  std::string address() const override { return server_->address(); }

 private:
  const std::string address_;
  Lifecycle& lifecycle_;
  const std::unique_ptr<Handler> handler_;
  std::unique_ptr<Server> server_;  // destroyed first
};

}  // namespace

std::unique_ptr<Handler> MakeAdminHandler(AdminOptions options) {
  return std::make_unique<AdminHandler>(std::move(options));
}

absl::StatusOr<std::unique_ptr<Admin>> Admin::Start(AdminOptions options) {
  std::vector<std::string_view> routes(kRoutes.begin(), kRoutes.end());
  for (const auto& [path, page] : options.pages) routes.push_back(path);
  for (const std::string_view route : routes) {
    if (!IsLimited(route)) return absl::InternalError("LimitTable has no row for " + std::string(route));
  }
  auto admin = std::make_unique<AdminImpl>(std::move(options));
  LKT_RETURN_IF_ERROR(admin->Listen());
  return std::unique_ptr<Admin>(std::move(admin));
}

}  // namespace livekit::token::http
