#include "faults/grpc_load.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "livekit/token/v1/token_service.grpc.pb.h"

namespace livekit::token::faults {
namespace {

constexpr std::chrono::milliseconds kTick{10};
constexpr unsigned kWatchSeconds = 1;

constexpr char kServiceConfig[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "healthCheckConfig": {"serviceName": ""})";
// What README recommends to clients, and the gateway does.
constexpr char kRetryPolicy[] = R"(,
  "methodConfig": [{
    "name": [{"service": "livekit.token.v1.TokenService"}],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.02s",
      "maxBackoff": "0.2s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]
    }
  }],
  "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1})";

std::shared_ptr<grpc::ChannelCredentials> MakeCredentials(const GrpcLoadOptions& options) {
  if (options.ca_file.empty() && options.cert_file.empty()) return grpc::InsecureChannelCredentials();
  grpc::experimental::TlsChannelCredentialsOptions tls;
  tls.set_certificate_provider(std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      options.key_file, options.cert_file, options.ca_file, kWatchSeconds));
  if (!options.ca_file.empty()) tls.watch_root_certs();
  if (!options.cert_file.empty()) tls.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(tls);
}

std::shared_ptr<grpc::Channel> MakeChannel(const GrpcLoadOptions& options) {
  grpc::ChannelArguments args;
  args.SetServiceConfigJSON(std::string(kServiceConfig) + (options.retries ? kRetryPolicy : "") + "}");
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2000);
  // Also the time that one attempt to connect may take.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1500);
  args.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 5000);
  args.SetInt(GRPC_ARG_DNS_ENABLE_SRV_QUERIES, 0);
  if (!options.server_name.empty()) args.SetSslTargetNameOverride(options.server_name);
  return grpc::CreateCustomChannel(options.target, MakeCredentials(options), args);
}

class Load {
 public:
  Load(const GrpcLoadOptions& options, TokenCheck& check, Tally& tally)
      : options_(options),
        check_(check),
        tally_(tally),
        channel_(MakeChannel(options)),
        stub_(v1::TokenService::NewStub(channel_)) {}

  void Run(Schedule schedule, const std::atomic<bool>& stop) {
    while (!schedule.Over()) {
      const auto now = Clock::now();
      if (stop) schedule.EndAt(now);
      while (const auto request = schedule.Take(now)) Start(*request);
      std::this_thread::sleep_until(std::min<Clock::time_point>(schedule.Next(), now + kTick));
    }
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return in_flight_ == 0; });
  }

 private:
  template <typename Request, typename Response>
  struct Call {
    DueRequest due;
    grpc::ClientContext context;
    Request request;
    Response response;
  };

  void Start(const DueRequest& due) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ++in_flight_;
    }
    if (options_.mint) {
      auto call = std::make_shared<Call<v1::MintAccessTokenRequest, v1::MintAccessTokenResponse>>();
      auto& grants = *call->request.mutable_grants();
      grants.set_identity(due.identity());
      grants.mutable_video()->set_room_join(true);
      grants.mutable_video()->set_room(options_.room);
      Prepare(due, "x-caller-authorization", *call);
      stub_->async()->MintAccessToken(&call->context, &call->request, &call->response,
                                      [this, call](const grpc::Status& status) mutable {
                                        Finish(call->due, status, call->response.token());
                                        End(call);
                                      });
    } else {
      auto call = std::make_shared<Call<v1::IssueParticipantTokenRequest, v1::IssueParticipantTokenResponse>>();
      auto& request = *call->request.mutable_request();
      request.set_room_name(options_.room);
      request.set_participant_identity(due.identity());
      Prepare(due, "authorization", *call);
      stub_->async()->IssueParticipantToken(&call->context, &call->request, &call->response,
                                            [this, call](const grpc::Status& status) mutable {
                                              Finish(call->due, status, call->response.participant_token());
                                              End(call);
                                            });
    }
  }

  template <typename Call>
  void Prepare(const DueRequest& due, const char* header, Call& call) {
    call.due = due;
    if (!options_.credential.empty()) call.context.AddMetadata(header, "Bearer " + options_.credential);
    const auto left = due.due + options_.patience - Clock::now();
    call.context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                           gpr_time_from_nanos(std::chrono::nanoseconds(left).count(), GPR_TIMESPAN)));
  }

  void Finish(const DueRequest& due, const grpc::Status& status, const std::string& token) {
    std::string detail = status.error_message();
    std::string outcome = absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
    if (status.ok()) {
      const std::string problem = check_.Check(token, due.identity(), &detail);
      if (!problem.empty()) outcome = problem;
    }
    tally_.Count(outcome, outcome == "OK", due.due, detail);
  }

  // The context holds the channel, whose last owner must be this object and not this thread of gRPC: it would wait for
  // itself and free gRPC's queue twice.
  template <typename Call>
  void End(std::shared_ptr<Call>& call) {
    call.reset();
    std::lock_guard<std::mutex> lock(mutex_);
    if (--in_flight_ == 0) changed_.notify_all();
  }

  const GrpcLoadOptions& options_;
  TokenCheck& check_;
  Tally& tally_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::TokenService::Stub> stub_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int in_flight_ = 0;
};

}  // namespace

void RunGrpcLoad(const GrpcLoadOptions& options, Schedule schedule, const std::atomic<bool>& stop, TokenCheck& check,
                 Tally& tally) {
  Load(options, check, tally).Run(schedule, stop);
}

}  // namespace livekit::token::faults
