#include "gateway/handler.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "base/address.h"
#include "base/status.h"
#include "base/text.h"
#include "base/trace_context.h"
#include "gateway/cookies.h"
#include "gateway/token_source_json.h"
#include "service/log.h"

namespace livekit::token::gateway {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr char kAllow[] = "POST, OPTIONS";
constexpr char kOther[] = "_OTHER";
constexpr std::size_t kMaxHost = 255;

std::string RequestIdOf(const http::Request& request) {
  const auto id = request.SingleHeader("x-request-id");
  return id && IsRequestId(*id) ? std::string(*id) : RandomUuid();
}

TraceContext TraceOf(const http::Request& request) {
  return TraceContext::Continue(request.HeaderValues("traceparent"), request.HeaderValues("tracestate"));
}

// Labels and log fields come from closed sets; the method as sent is the client's text.
std::string_view KnownMethod(std::string_view method) {
  for (std::string_view known : {"POST", "OPTIONS", "GET", "HEAD", "PUT", "PATCH", "DELETE"}) {
    if (method == known) return known;
  }
  return kOther;
}

// An absent media type counts as JSON, and parameters do not matter. Anything else is refused, above all what a page
// can send elsewhere without asking first (`text/plain`, forms).
bool IsJson(const http::Request& request) {
  if (!request.HeaderValues("content-encoding").empty()) return false;
  const auto types = request.HeaderValues("content-type");
  if (types.empty()) return true;
  if (types.size() > 1) return false;
  std::string_view type = types.front().substr(0, types.front().find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  return EqualsIgnoreCase(type, "application/json");
}

bool IsNear(HostKind kind, bool private_too) {
  return kind == HostKind::kLoopback || (private_too && kind == HostKind::kPrivate);
}

// `Retry-After` in whole seconds, rounded up, at least one.
std::string RetryAfter(const v1::Error& error) {
  std::int64_t seconds = error.retry_delay().seconds() + (error.retry_delay().nanos() > 0 ? 1 : 0);
  return std::to_string(std::clamp<std::int64_t>(seconds, 1, 3600));
}

}  // namespace

// What answers need after Handle has returned; the backend's late answers keep it alive.
struct TokenHandler::Shared {
  Shared(HandlerOptions o, Metrics& m) : options(std::move(o)), cors(options.cors), metrics(m) {}

  std::string_view RouteOf(std::string_view path) const {
    if (options.sandbox && path == kSandboxPath) return kSandboxPath;
    const auto& paths = options.token_paths;
    const auto found = std::find(paths.begin(), paths.end(), path);
    return found == paths.end() ? std::string_view(kOther) : std::string_view(*found);
  }

  const HandlerOptions options;
  const CorsPolicy cors;
  Metrics& metrics;
  mutable std::atomic<int> pending{0};  // requests that wait for the backend
};

// One request on its way to its answer. It is answered exactly once, at the latest when it is destroyed.
class TokenHandler::Exchange {
 public:
  Exchange(std::shared_ptr<const Shared> shared, const http::Request& request, std::string client_address)
      : shared_(std::move(shared)),
        start_(std::chrono::steady_clock::now()),
        request_id_(RequestIdOf(request)),
        trace_(TraceOf(request)),
        route_(shared_->RouteOf(request.path)),
        method_(KnownMethod(request.method)),
        client_address_(std::move(client_address)),
        bytes_in_(request.body.size()) {
    auto decision = shared_->cors.Decide(request);
    origin_allowed_ = decision.allowed;
    headers_ = std::move(decision.headers);
    headers_.reserve(8);
    headers_.push_back({"X-Request-Id", request_id_});
  }

  ~Exchange() {
    if (!answered_) Fail(v1::INTERNAL);
    if (pending_) --shared_->pending;
  }

  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Where the answer goes; set once, right after construction.
  void set_respond(http::Respond respond) { respond_ = std::move(respond); }

  const std::string& request_id() const { return request_id_; }
  const TraceContext& trace() const { return trace_; }
  const std::string& client_address() const { return client_address_; }
  std::string_view route() const { return route_; }
  bool origin_allowed() const { return origin_allowed_; }

  // Counts it among those that wait for the backend, for as long as it lives. False if there are too many.
  bool StartPending() {
    pending_ = true;
    return ++shared_->pending <= shared_->options.max_pending;
  }

  // The gateway's own refusal.
  void Fail(v1::ErrorReason reason) noexcept {
    Deliver([&] { return OwnRefusal(token::Refuse(reason)); });
  }
  void Fail(const absl::Status& status) noexcept {
    Deliver([&] { return OwnRefusal(status); });
  }

  // The same for a caller that sends the answer itself.
  http::Response TakeRefusal(v1::ErrorReason reason) {
    answered_ = true;
    http::Response response = OwnRefusal(token::Refuse(reason));
    Record(response);
    return response;
  }

  void AnswerPreflight() {
    Deliver([&] {
      http::Response response;
      response.status = 204;
      response.headers = std::move(headers_);
      response.headers.push_back({"Allow", kAllow});
      for (auto& header : shared_->cors.PreflightHeaders()) response.headers.push_back(std::move(header));
      return response;
    });
  }

  // What the token server said.
  void Answer(const Backend::Result& result) {
    Deliver([&] {
      if (result.has_token()) {
        if (auto body = WriteTokenResponse(result.token(), shared_->options.extended_response)) {
          return Json(201, *std::move(body));
        }
      }
      if (result.has_error()) return ErrorAnswer(result.error());
      Log(LogLevel::kError, "backend_answer_invalid", {{"request_id", request_id_}});
      return ErrorAnswer(ToError(token::Refuse(v1::INTERNAL)));
    });
  }

 private:
  http::Response OwnRefusal(const absl::Status& status) {
    const v1::Error error = ToError(status);
    shared_->metrics.Denied("gateway", error.reason());
    return ErrorAnswer(error);
  }

  // Counts and logs the answer that is about to be sent.
  void Record(const http::Response& response) const {
    const auto duration = std::chrono::steady_clock::now() - start_;
    shared_->metrics.HttpRequest(method_, route_, response.status, duration);
    const LogLevel level = response.status >= 500   ? LogLevel::kError
                           : response.status >= 400 ? LogLevel::kWarn
                                                    : LogLevel::kInfo;
    if (!LogEnabled(level) || (response.status < 400 && !AccessLineDue(shared_->options.access_log_sample))) return;
    Log(level, "http_request",
        {{"method", method_},
         {"route", route_},
         {"status", response.status},
         {"reason", std::string_view(reason_)},
         {"duration_ms", std::chrono::duration<double, std::milli>(duration).count()},
         {"request_id", std::string_view(request_id_)},
         {"trace_id", trace_.trace_id()},
         {"span_id", trace_.span_id()},
         {"peer_ip", std::string_view(client_address_)},
         {"bytes_in", static_cast<std::int64_t>(bytes_in_)}});
  }

  // Sends what `make` makes, unless something was sent before. No exception leaves: at worst the answer is a bare 500.
  template <typename Make>
  void Deliver(Make make) noexcept {
    if (answered_.exchange(true)) return;
    http::Response response;
    try {
      response = make();
      Record(response);
    } catch (...) {
      response = http::Response();
      response.status = 500;
    }
    try {
      respond_(std::move(response));
    } catch (...) {
      // The connection layer could not take the answer; there is nobody left to tell.
    }
    respond_ = nullptr;
  }

  // The one answer: takes the headers that were made for it.
  http::Response Json(int status, std::string body) {
    http::Response response;
    response.status = status;
    response.headers = std::move(headers_);
    response.headers.push_back({"Cache-Control", "no-store"});
    response.headers.push_back({"X-Content-Type-Options", "nosniff"});
    // An answer to HEAD has no body whatever its status.
    if (method_ == "HEAD") return response;
    response.content_type = "application/json";
    response.body = std::move(body);
    return response;
  }

  http::Response ErrorAnswer(const v1::Error& error) {
    const v1::Error shown = ForEndUser(error);
    if (shown.reason() != error.reason()) {
      Log(LogLevel::kError, "token_server_refused_gateway",
          {{"reason", std::string_view(v1::ErrorReason_Name(GetReasonInfo(error.reason()).reason))},
           {"hint", "check caller_token_file or server.tls, and the service entry of this gateway on the token server"},
           {"request_id", std::string_view(request_id_)}});
    }
    const ReasonInfo& info = GetReasonInfo(shown.reason());
    reason_ = v1::ErrorReason_Name(info.reason);
    http::Response response = Json(info.http_status, WriteErrorBody(shown, request_id_));
    switch (info.http_status) {
      case 401:
        response.headers.push_back(
            {"WWW-Authenticate", shown.credential_presented() ? "Bearer error=\"invalid_token\"" : "Bearer"});
        break;
      case 405:
        response.headers.push_back({"Allow", kAllow});
        break;
      case 429:
      case 503:
        response.headers.push_back({"Retry-After", RetryAfter(shown)});
        break;
      default:
        break;
    }
    return response;
  }

  const std::shared_ptr<const Shared> shared_;
  http::Respond respond_;
  const SteadyTime start_;
  const std::string request_id_;
  const TraceContext trace_;
  const std::string_view route_;   // of shared_ or static
  const std::string_view method_;  // static
  const std::string client_address_;
  const std::size_t bytes_in_;
  bool origin_allowed_ = false;
  bool pending_ = false;
  std::vector<http::Header> headers_;
  std::string reason_;
  std::atomic<bool> answered_{false};
};

namespace {

// The end user's credentials, or why they cannot be relayed.
absl::Status CollectCredentials(const http::Request& request, const std::vector<std::string>& relay_headers,
                                Backend::Item& item) {
  for (const std::string& name : relay_headers) {
    const auto values = request.HeaderValues(name);
    if (values.empty()) continue;
    if (values.size() > 1) {
      return Refuse(v1::AMBIGUOUS_CREDENTIALS, "The request carries the same credential header more than once.");
    }
    // Protobuf strings are UTF-8; other bytes would make the whole call to the token server fail.
    if (!IsValidUtf8(values.front())) return Refuse(v1::MALFORMED_REQUEST);
    auto* credential = item.add_credentials();
    credential->set_header(name);
    credential->set_value(std::string(values.front()));
  }
  return absl::OkStatus();
}

// On the sandbox route the id selects policies; it proves nothing.
bool TakeSandboxId(const http::Request& request, Backend::Item& item) {
  const auto ids = request.HeaderValues("x-sandbox-id");
  if (ids.empty()) return true;
  // Ids are names of the same kind.
  if (ids.size() > 1 || !IsRequestId(ids.front())) return false;
  item.set_sandbox_id(std::string(ids.front()));
  return true;
}

// Development mode answers nobody from elsewhere and no web page that reached it under a name of its own: that page's
// requests would come from the developer's browser (DNS rebinding).
bool DevAllows(const HandlerOptions& options, const http::Request& request) {
  const auto authority = request.SingleHeader("host");
  const auto host = authority ? HostOf(*authority) : std::nullopt;
  return host && IsNear(ClassifyHost(*host), true) &&
         IsNear(ClassifyHost(request.peer_address), options.dev_private_network);
}

}  // namespace

TokenHandler::TokenHandler(HandlerOptions options, Backend& backend, Metrics& metrics)
    : backend_(backend), shared_(std::make_shared<const Shared>(std::move(options), metrics)) {}

TokenHandler::~TokenHandler() = default;

void TokenHandler::Handle(const http::Request& request, http::Respond respond) {
  try {
    const HandlerOptions& options = shared_->options;
    const auto exchange = std::make_shared<Exchange>(shared_, request, ClientAddress(request, options.trusted_proxies));
    exchange->set_respond(std::move(respond));
    if (options.dev && !DevAllows(options, request)) return exchange->Fail(v1::HOST_NOT_ALLOWED);
    if (!exchange->origin_allowed()) {
      shared_->cors.LogRefused(request);
      return exchange->Fail(v1::ORIGIN_NOT_ALLOWED);
    }
    if (exchange->route() == kOther) return exchange->Fail(v1::NOT_FOUND);
    if (request.method == "OPTIONS") return exchange->AnswerPreflight();
    if (request.method != "POST") return exchange->Fail(v1::METHOD_NOT_ALLOWED);
    if (!IsJson(request)) return exchange->Fail(v1::UNSUPPORTED_MEDIA_TYPE);

    Backend::Item item;
    if (auto status = CollectCredentials(request, options.relay_headers, item); !status.ok()) {
      return exchange->Fail(status);
    }
    if (auto status = CollectCookies(request, options.relay_cookies, item); !status.ok()) {
      return exchange->Fail(status);
    }
    if (auto status = CollectTrustedHeaders(request, options.trusted_headers, item); !status.ok()) {
      return exchange->Fail(status);
    }
    if (exchange->route() == kSandboxPath && !TakeSandboxId(request, item)) {
      return exchange->Fail(v1::MALFORMED_REQUEST);
    }
    int unknown_fields = 0;
    auto message = ReadTokenRequest(request.body, &unknown_fields);
    if (unknown_fields > 0) shared_->metrics.UnknownFields(unknown_fields);
    if (!message.ok()) return exchange->Fail(message.status());
    if (!exchange->StartPending()) return exchange->Fail(v1::UNAVAILABLE);

    *item.mutable_request() = *std::move(message);
    const auto host = request.SingleHeader("host");
    if (host && host->size() <= kMaxHost && HasHost(*host)) item.set_host(std::string(*host));
    item.set_client_address(exchange->client_address());
    item.set_request_id(exchange->request_id());
    const TraceContext& trace = exchange->trace();
    item.set_traceparent(trace.traceparent().data(), trace.traceparent().size());
    if (!trace.tracestate().empty()) item.set_tracestate(trace.tracestate());
    item.mutable_timeout()->set_seconds(options.timeout.count() / 1000);
    item.mutable_timeout()->set_nanos(static_cast<int>(options.timeout.count() % 1000) * 1'000'000);
    item.set_max_token_bytes(options.max_token_bytes);
    backend_.Issue(std::move(item), [exchange](const Backend::Result& result) { exchange->Answer(result); });
  } catch (...) {
    // The exchange, if there was one, took `respond` and has answered when its last owner was destroyed.
    if (respond) respond(http::Response{500, {}, "", "", true});
  }
}

http::Response TokenHandler::Refuse(const http::Request& request, v1::ErrorReason reason) {
  try {
    http::Response response = Exchange(shared_, request, request.peer_address).TakeRefusal(reason);
    // What follows on the connection cannot be trusted to be a request.
    response.close = true;
    return response;
  } catch (...) {
    return http::Response{500, {}, "", "", true};
  }
}

}  // namespace livekit::token::gateway
