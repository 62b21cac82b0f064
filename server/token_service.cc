#include "server/token_service.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/status.h"
#include "base/text.h"
#include "google/protobuf/arena.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "server/connections.h"
#include "server/grpc_tls.h"
#include "server/rpc_status.h"
#include "service/log.h"

namespace livekit::token {
namespace {

// With less time than this left the answer would come too late.
constexpr std::chrono::milliseconds kMinTimeLeft{1};
constexpr char kRequestId[] = "x-request-id";

std::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

// Fills in what `context` says; `headers` are those in which credentials may stand.
void ReadContext(const grpc::CallbackServerContext& context, const std::vector<std::string>& headers,
                 CallContext& call) {
  std::vector<std::string_view> request_ids;
  std::vector<std::string_view> traceparents;
  std::vector<std::string_view> tracestates;
  for (const auto& [key, value] : context.client_metadata()) {
    const std::string_view name = View(key);
    if (name == kCallerHeader) {
      call.caller.headers.push_back({std::string(name), std::string(View(value))});
    } else if (std::find(headers.begin(), headers.end(), name) != headers.end()) {
      call.credentials.headers.push_back({std::string(name), std::string(View(value))});
    } else if (name == kRequestId) {
      request_ids.push_back(View(value));
    } else if (name == "traceparent") {
      traceparents.push_back(View(value));
    } else if (name == "tracestate") {
      tracestates.push_back(View(value));
    }
  }
  const bool has_id = request_ids.size() == 1 && IsRequestId(request_ids.front());
  call.request_id = has_id ? std::string(request_ids.front()) : RandomName();
  call.trace = TraceContext::Continue(traceparents, tracestates);
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

// Tells the caller the id of its call. Not in the initial metadata of an error: clients retry calls only as long as
// they have got nothing but trailers (gRFC A6).
void AnswerRequestId(grpc::CallbackServerContext& context, const std::string& request_id, bool ok) {
  ok ? context.AddInitialMetadata(kRequestId, request_id) : context.AddTrailingMetadata(kRequestId, request_id);
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
       {"trace_id", call.trace.trace_id()},
       {"span_id", call.trace.span_id()},
       {"peer_ip", std::string_view(call.peer_address)},
       {"items", items}});
}

// gRPC itself looks at this only once the client has acknowledged our settings, which one that means harm does not do.
bool HasTooMuchMetadata(const grpc::CallbackServerContext& context) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : context.client_metadata()) bytes += name.size() + value.size();
  return bytes > kMaxCallMetadataBytes;
}

// Memory of a request: a batch has thousands of parts that come and go together.
std::shared_ptr<google::protobuf::Arena> MakeArena() {
  google::protobuf::ArenaOptions options;
  options.max_block_size = 64 << 10;
  return std::make_shared<google::protobuf::Arena>(options);
}

// A call that ends without a message has no bytes at all.
template <typename Request>
bool Parse(const grpc::ByteBuffer& bytes, Request& request) {
  grpc::ByteBuffer copy = bytes;  // shares the memory; parsing consumes it
  return copy.Valid() && grpc::SerializationTraits<Request>::Deserialize(&copy, &request).ok();
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
    : authorities_(authorities),
      accepts_peer_(std::move(accepts_peer)),
      issue_(metrics.OfRpc("IssueParticipantToken")),
      batch_issue_(metrics.OfRpc("BatchIssueParticipantTokens")),
      mint_(metrics.OfRpc("MintAccessToken")),
      batch_mint_(metrics.OfRpc("BatchMintAccessTokens")),
      verify_(metrics.OfRpc("VerifyAccessToken")),
      explain_(metrics.OfRpc("ExplainParticipantToken")) {}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* TokenService::Run(RpcMetrics& rpc, Method<Request, Response> method,
                                            grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes,
                                            grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto start = std::chrono::steady_clock::now();
  rpc.Started();
  // The call ends with the configuration that it began with.
  std::shared_ptr<const TokenAuthority> authority = authorities_.Current();
  const auto call = std::make_shared<CallContext>();
  const auto finish = [&rpc, context, reactor, response, start, authority, call](absl::StatusOr<Response> result,
                                                                                 int items = 1) {
    grpc::Status status = ToRpcStatus(result.status(), call->request_id);
    bool own_buffer = true;
    if (result.ok()) status = grpc::SerializationTraits<Response>::Serialize(*result, response, &own_buffer);
    // Keeps gRPC from asking again by itself (gRFC A6): a client whose retry policy names RESOURCE_EXHAUSTED would
    // only spend more of its budget.
    if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
      context->AddTrailingMetadata("grpc-retry-pushback-ms", "-1");
    }
    const auto duration = std::chrono::steady_clock::now() - start;
    rpc.Ended(static_cast<absl::StatusCode>(status.error_code()), duration);
    LogCall(rpc.method(), result.status(), duration, *call, items, authority->access_log_sample());
    AnswerRequestId(*context, call->request_id, status.ok());
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
    if (HasTooMuchMetadata(*context)) {
      finish(Refuse(v1::HEADERS_TOO_LARGE));
      return reactor;
    }
    const auto arena = MakeArena();
    auto* const request = google::protobuf::Arena::CreateMessage<Request>(arena.get());
    if (!Parse(*bytes, *request)) {
      finish(Refuse(v1::MALFORMED_REQUEST));
      return reactor;
    }
    (authority.get()->*method)(*call, *request,
                               [arena, finish, items = ItemCount(*request)](absl::StatusOr<Response> result) {
                                 finish(std::move(result), items);
                               });
  } catch (const std::exception&) {
    Log(LogLevel::kError, "exception", {{"method", std::string_view(rpc.method())}});
    finish(Refuse(v1::INTERNAL));
  }
  return reactor;
}

grpc::ServerUnaryReactor* TokenService::IssueParticipantToken(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* request,
                                                              grpc::ByteBuffer* response) {
  return Run(issue_, &TokenAuthority::IssueParticipantToken, context, request, response);
}

grpc::ServerUnaryReactor* TokenService::BatchIssueParticipantTokens(grpc::CallbackServerContext* context,
                                                                    const grpc::ByteBuffer* request,
                                                                    grpc::ByteBuffer* response) {
  return Run(batch_issue_, &TokenAuthority::BatchIssueParticipantTokens, context, request, response);
}

grpc::ServerUnaryReactor* TokenService::MintAccessToken(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
  return Run(mint_, &TokenAuthority::MintAccessToken, context, request, response);
}

grpc::ServerUnaryReactor* TokenService::BatchMintAccessTokens(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* request,
                                                              grpc::ByteBuffer* response) {
  return Run(batch_mint_, &TokenAuthority::BatchMintAccessTokens, context, request, response);
}

grpc::ServerUnaryReactor* TokenService::VerifyAccessToken(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
  return Run(verify_, &TokenAuthority::VerifyAccessToken, context, request, response);
}

grpc::ServerUnaryReactor* TokenService::ExplainParticipantToken(grpc::CallbackServerContext* context,
                                                                const grpc::ByteBuffer* request,
                                                                grpc::ByteBuffer* response) {
  return Run(explain_, &TokenAuthority::ExplainParticipantToken, context, request, response);
}

}  // namespace livekit::token
