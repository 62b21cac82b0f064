#include "server/token_service.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/status.h"
#include "base/text.h"
#include "server/grpc_tls.h"
#include "server/rpc_status.h"
#include "service/log.h"

namespace livekit::token {
namespace {

// With less time than this left the answer would come too late.
constexpr std::chrono::milliseconds kMinTimeLeft{1};

std::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

// Fills in what `context` says; `headers` are those in which credentials may stand.
void ReadContext(const grpc::CallbackServerContext& context, const std::vector<std::string>& headers,
                 CallContext& call) {
  for (const auto& [key, value] : context.client_metadata()) {
    const std::string_view name = View(key);
    if (name == kCallerHeader) {
      call.caller.headers.push_back({std::string(name), std::string(View(value))});
    } else if (std::find(headers.begin(), headers.end(), name) != headers.end()) {
      call.credentials.headers.push_back({std::string(name), std::string(View(value))});
    } else if (name == "x-request-id" && IsRequestId(View(value))) {
      call.request_id = std::string(View(value));
    }
  }
  if (call.request_id.empty()) call.request_id = RandomName();
  call.caller.certificate = CertificateOf(*context.auth_context());
  call.peer_address = PeerAddress(context.peer());
  call.host = HostOf(View(context.ExperimentalGetAuthority())).value_or("");
}

// How many requests a batch carries; 1 if it is none.
template <typename Request>
int ItemCount(const Request& request) {
  if constexpr (requires { request.items(); }) {
    return request.items_size();
  } else if constexpr (requires { request.requests(); }) {
    return request.requests_size();
  } else {
    return 1;
  }
}

// The access line of a call. Who called stands in the audit.
void LogCall(std::string_view method, const absl::Status& status, std::chrono::nanoseconds duration,
             const CallContext& call, int items, double sample) {
  const ReasonInfo* const info = status.ok() ? nullptr : &GetReasonInfo(ReasonOf(status));
  const LogLevel level = info == nullptr            ? LogLevel::kInfo
                         : info->http_status >= 500 ? LogLevel::kError
                                                    : LogLevel::kWarn;
  if (!LogEnabled(level) || (status.ok() && !AccessLineDue(sample))) return;
  const std::string code = absl::StatusCodeToString(info == nullptr ? absl::StatusCode::kOk : info->code);
  Log(level, "grpc_call",
      {{"method", method},
       {"grpc_code", std::string_view(code)},
       {"reason", info == nullptr ? std::string_view() : std::string_view(v1::ErrorReason_Name(info->reason))},
       {"duration_ms", std::chrono::duration<double, std::milli>(duration).count()},
       {"request_id", std::string_view(call.request_id)},
       {"peer_ip", std::string_view(call.peer_address)},
       {"items", items}});
}

}  // namespace

std::string PeerAddress(std::string_view peer) {
  const std::size_t colon = peer.find(':');
  const std::string_view scheme = peer.substr(0, colon);
  if (scheme == "unix" || scheme == "unix-abstract") return "localhost";
  if (colon == std::string_view::npos || (scheme != "ipv4" && scheme != "ipv6")) return {};
  std::string address(peer.substr(colon + 1));
  // gRPC writes the brackets of IPv6 addresses percent-encoded.
  for (const auto& [encoded, plain] : {std::pair{"%5B", "["}, std::pair{"%5D", "]"}}) {
    if (const std::size_t at = address.find(encoded); at != std::string::npos) address.replace(at, 3, plain);
  }
  return HostOf(address).value_or("");
}

TokenService::TokenService(const Authorities& authorities, Metrics& metrics,
                           std::function<bool(std::string_view)> accepts_peer)
    : authorities_(authorities), metrics_(metrics), accepts_peer_(std::move(accepts_peer)) {
  SetMessageAllocatorFor_BatchMintAccessTokens(&mint_batches_);
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* TokenService::Run(std::string_view name, Method<Request, Response> method,
                                            grpc::CallbackServerContext* context, const Request* request,
                                            Response* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto start = std::chrono::steady_clock::now();
  // The call ends with the configuration that it began with.
  std::shared_ptr<const TokenAuthority> authority = authorities_.Current();
  const auto call = std::make_shared<CallContext>();
  const auto finish = [this, name, reactor, response, start, authority, call,
                       items = ItemCount(*request)](absl::StatusOr<Response> result) {
    const grpc::Status status = ToRpcStatus(result.status());
    const auto duration = std::chrono::steady_clock::now() - start;
    metrics_.Rpc(name, static_cast<absl::StatusCode>(status.error_code()), duration);
    LogCall(name, result.status(), duration, *call, items, authority->access_log_sample());
    if (result.ok()) *response = *std::move(result);
    reactor->Finish(status);
  };
  // An exception that left this function would reach the client as UNIMPLEMENTED; only the allocator can throw here.
  try {
    ReadContext(*context, authority->credential_headers(), *call);
    if (!accepts_peer_(call->peer_address)) {
      finish(Refuse(v1::HOST_NOT_ALLOWED));
      return reactor;
    }
    if (context->deadline() < std::chrono::system_clock::now() + kMinTimeLeft) {
      finish(Refuse(v1::DEADLINE_EXCEEDED));
      return reactor;
    }
    (authority.get()->*method)(*call, *request, finish);
  } catch (const std::exception&) {
    Log(LogLevel::kError, "exception", {{"method", name}});
    finish(Refuse(v1::INTERNAL));
  }
  return reactor;
}

grpc::ServerUnaryReactor* TokenService::IssueParticipantToken(grpc::CallbackServerContext* context,
                                                              const v1::IssueParticipantTokenRequest* request,
                                                              v1::IssueParticipantTokenResponse* response) {
  return Run("IssueParticipantToken", &TokenAuthority::IssueParticipantToken, context, request, response);
}

grpc::ServerUnaryReactor* TokenService::BatchIssueParticipantTokens(
    grpc::CallbackServerContext* context, const v1::BatchIssueParticipantTokensRequest* request,
    v1::BatchIssueParticipantTokensResponse* response) {
  return Run("BatchIssueParticipantTokens", &TokenAuthority::BatchIssueParticipantTokens, context, request, response);
}

grpc::ServerUnaryReactor* TokenService::MintAccessToken(grpc::CallbackServerContext* context,
                                                        const v1::MintAccessTokenRequest* request,
                                                        v1::MintAccessTokenResponse* response) {
  return Run("MintAccessToken", &TokenAuthority::MintAccessToken, context, request, response);
}

grpc::ServerUnaryReactor* TokenService::BatchMintAccessTokens(grpc::CallbackServerContext* context,
                                                              const v1::BatchMintAccessTokensRequest* request,
                                                              v1::BatchMintAccessTokensResponse* response) {
  return Run("BatchMintAccessTokens", &TokenAuthority::BatchMintAccessTokens, context, request, response);
}

grpc::ServerUnaryReactor* TokenService::VerifyAccessToken(grpc::CallbackServerContext* context,
                                                          const v1::VerifyAccessTokenRequest* request,
                                                          v1::VerifyAccessTokenResponse* response) {
  return Run("VerifyAccessToken", &TokenAuthority::VerifyAccessToken, context, request, response);
}

grpc::ServerUnaryReactor* TokenService::ExplainParticipantToken(grpc::CallbackServerContext* context,
                                                                const v1::ExplainParticipantTokenRequest* request,
                                                                v1::ExplainParticipantTokenResponse* response) {
  return Run("ExplainParticipantToken", &TokenAuthority::ExplainParticipantToken, context, request, response);
}

}  // namespace livekit::token
