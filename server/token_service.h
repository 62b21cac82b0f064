// The gRPC face of the authority.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "livekit/token/v1/token_service.grpc.pb.h"
#include "server/authorities.h"
#include "server/authority.h"
#include "service/metrics.h"
#include "service/rpc_metrics.h"

namespace livekit::token {

// With messages as they came: of those that are none, gRPC itself says UNIMPLEMENTED, as if there were no such method.
using RawTokenService = v1::TokenService::WithRawCallbackMethod_ExplainParticipantToken<
    v1::TokenService::WithRawCallbackMethod_VerifyAccessToken<
        v1::TokenService::WithRawCallbackMethod_BatchMintAccessTokens<
            v1::TokenService::WithRawCallbackMethod_MintAccessToken<
                v1::TokenService::WithRawCallbackMethod_BatchIssueParticipantTokens<
                    v1::TokenService::WithRawCallbackMethod_IssueParticipantToken<v1::TokenService::Service>>>>>>;

// Translates calls into calls of the authority: metadata into credentials, refusals into statuses. Holds no rules of
// its own.
//
// Thread safety: gRPC calls it concurrently.
class TokenService final : public RawTokenService {
 public:
  // `accepts_peer` decides by a peer's address whether it is answered at all. `authorities` and `metrics` must
  // outlive the service.
  TokenService(const Authorities& authorities, Metrics& metrics, std::function<bool(std::string_view)> accepts_peer);

  grpc::ServerUnaryReactor* IssueParticipantToken(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* BatchIssueParticipantTokens(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request,
                                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* MintAccessToken(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* BatchMintAccessTokens(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                  grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* VerifyAccessToken(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                              grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ExplainParticipantToken(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request,
                                                    grpc::ByteBuffer* response) override;

 private:
  template <typename Request, typename Response>
  using Method = void (TokenAuthority::*)(const CallContext&, const Request&, TokenAuthority::Done<Response>) const;

  // Runs one call: the only place where calls begin and end.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Run(RpcMetrics& rpc, Method<Request, Response> method, grpc::CallbackServerContext* context,
                                const grpc::ByteBuffer* bytes, grpc::ByteBuffer* response);

  const Authorities& authorities_;
  std::function<bool(std::string_view)> accepts_peer_;
  RpcMetrics& issue_;
  RpcMetrics& batch_issue_;
  RpcMetrics& mint_;
  RpcMetrics& batch_mint_;
  RpcMetrics& verify_;
  RpcMetrics& explain_;
};

// The address inside what gRPC calls a peer, such as `ipv4:127.0.0.1:5000`, `ipv6:%5B::1%5D:5000` or `unix:/path`; unix
// sockets are `localhost`.
std::string PeerAddress(std::string_view peer);

}  // namespace livekit::token
