#include "gateway/grpc_backend.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/address.h"
#include "base/status.h"
#include "base/text.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "service/config.h"
#include "service/log.h"

namespace livekit::token::gateway {
namespace {

constexpr std::size_t kMaxCallerToken = 4096;
constexpr std::chrono::milliseconds kRetryDelay{1000};
// How often a backend that could not connect yet looks whether it is to stop.
constexpr std::chrono::milliseconds kLookAgain{100};
constexpr std::chrono::milliseconds kMaxTimeout{std::chrono::hours(1)};

// What a batch may hold, both ways.
constexpr int kMaxSendBytes = 2 << 20;
constexpr int kMaxReceiveBytes = 16 << 20;

// CANCELLED is retried too: a server that stops ends some calls with it.
constexpr char kServiceConfig[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "healthCheckConfig": {"serviceName": ""},
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
  "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
})";

grpc::ChannelArguments MakeChannelArguments() {
  grpc::ChannelArguments args;
  args.SetServiceConfigJSON(kServiceConfig);
  // A DNS TXT record must not replace the service config.
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // End users' credentials do not go through a proxy that happens to stand in the environment.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2000);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  // The least time between attempts to connect is also the time that one attempt may take.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  args.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 5000);
  args.SetInt(GRPC_ARG_DNS_ENABLE_SRV_QUERIES, 0);
  // Two backends of one process share no connection and no backoff.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetMaxSendMessageSize(kMaxSendBytes);
  args.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  return args;
}

Backend::Result ErrorResult(const absl::Status& status) {
  Backend::Result result;
  *result.mutable_error() = ToError(status);
  return result;
}

// The refusal of every item of a call that failed as a whole.
absl::Status RefusalOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:
    // Limits between gateway and server, such as a rate or memory; the end user did not exceed one.
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return WithRetryDelay(Refuse(v1::UNAVAILABLE), kRetryDelay);
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Refuse(v1::DEADLINE_EXCEEDED);
    case grpc::StatusCode::UNAUTHENTICATED:
      return Refuse(v1::CALLER_AUTHENTICATION_FAILED);
    case grpc::StatusCode::PERMISSION_DENIED:
      return Refuse(v1::METHOD_NOT_PERMITTED);
    default:
      return Refuse(v1::INTERNAL);
  }
}

std::chrono::milliseconds TimeoutOf(const Backend::Item& item, std::chrono::milliseconds default_timeout) {
  const auto& timeout = item.timeout();
  const std::int64_t seconds = std::clamp<std::int64_t>(timeout.seconds(), 0, 3600);
  const std::chrono::milliseconds value{seconds * 1000 + timeout.nanos() / 1'000'000};
  return value.count() > 0 ? std::min(value, kMaxTimeout) : default_timeout;
}

// A call and the items in it. One item each so far; whoever collects several fills `dones` in their order.
struct Call {
  grpc::ClientContext context;
  v1::BatchIssueParticipantTokensRequest request;
  v1::BatchIssueParticipantTokensResponse response;
  std::vector<Backend::Done> dones;
  std::chrono::milliseconds timeout{0};
};

// The calls in flight. Shared with their callbacks, so that the last one may still unlock it when the backend is gone.
class InFlight {
 public:
  // False once the backend is going.
  bool Add(const std::shared_ptr<Call>& call) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return false;
    calls_.insert(call);
    ++count_;
    return true;
  }
  // The call has its answer.
  void Forget(const std::shared_ptr<Call>& call) {
    std::lock_guard<std::mutex> lock(mutex_);
    calls_.erase(call);
  }
  // Everything about a call is done.
  void Release() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (--count_ == 0) idle_.notify_all();
  }
  void CancelAndWait() {
    std::vector<std::shared_ptr<Call>> calls;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
      calls.assign(calls_.begin(), calls_.end());
    }
    // Without the lock, since gRPC may run callbacks of cancelled calls right here.
    for (const auto& call : calls) call->context.TryCancel();
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait(lock, [&] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable idle_;
  std::unordered_set<std::shared_ptr<Call>> calls_;
  int count_ = 0;
  bool closed_ = false;
};

void LogFailure(const grpc::Status& status) {
  // At most a line a second: when the server is gone every request ends here.
  static std::atomic<std::int64_t> last_second{0};
  const std::int64_t second =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  std::int64_t last = last_second.load();
  if (last == second || !last_second.compare_exchange_strong(last, second)) return;
  const std::string code = absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
  // Where no server could be reached the text is gRPC's own about the connection; other texts are the server's.
  const bool local = status.error_code() == grpc::StatusCode::UNAVAILABLE;
  const std::string detail = local ? status.error_message() : "";
  Log(LogLevel::kError, "token_server_call_failed",
      {{"code", std::string_view(code)}, {"detail", std::string_view(detail)}});
}

// Gives each item its result.
void Distribute(const grpc::Status& status, Call& call) {
  const bool complete = status.ok() && call.response.results_size() == static_cast<int>(call.dones.size());
  if (!status.ok()) {
    LogFailure(status);
  } else if (!complete) {
    Log(LogLevel::kError, "token_server_answer_invalid");
  }
  for (std::size_t i = 0; i < call.dones.size(); ++i) {
    Backend::Result result = complete
                                 ? std::move(*call.response.mutable_results(static_cast<int>(i)))
                                 : ErrorResult(status.ok() ? Refuse(v1::INTERNAL) : RefusalOf(status.error_code()));
    try {
      call.dones[i](std::move(result));
    } catch (...) {
      // One item's owner must not keep the others from their answers, nor unwind into gRPC.
      Log(LogLevel::kError, "answer_not_taken");
    }
  }
}

}  // namespace

struct GrpcBackend::Impl {
  explicit Impl(GrpcBackendOptions o)
      : options(std::move(o)),
        channel(grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(), MakeChannelArguments())),
        stub(v1::TokenService::NewStub(channel)),
        in_flight(std::make_shared<InFlight>()),
        connector([this] { ConnectOnce(); }) {}

  ~Impl() {
    stopping = true;
    connector.join();
    in_flight->CancelAndWait();
  }

  // Makes the channel connect before there are calls, which a probe waits for. gRPC gets nothing done on a channel
  // unless some thread waits for it; with the first call it has threads of its own, and this one has ended by then or
  // ends soon.
  void ConnectOnce() {
    grpc::CompletionQueue queue;
    void* tag = nullptr;
    bool ok = false;
    while (!stopping && !was_ready) {
      const grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
      if (state == GRPC_CHANNEL_READY) {
        was_ready = true;
        break;
      }
      channel->NotifyOnStateChange(state, std::chrono::system_clock::now() + kLookAgain, &queue, nullptr);
      queue.Next(&tag, &ok);
    }
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
  }

  // The place for collecting: everything below works for calls of any number of items.
  void Send(std::shared_ptr<Call> call) {
    if (!options.caller_token.empty()) {
      std::string value = "Bearer ";
      value.append(options.caller_token.Reveal());
      call->context.AddMetadata("x-caller-authorization", value);
      Wipe(value);
    }
    // By the monotonic clock: a step of the wall clock must not end or prolong calls.
    call->context.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(call->timeout.count(), GPR_TIMESPAN)));
    if (!in_flight->Add(call)) {
      Distribute(grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping"), *call);
      return;
    }
    Call& started = *call;
    auto finish = [this, calls = in_flight, call = std::move(call)](const grpc::Status& status) mutable {
      if (status.ok()) was_ready = true;
      calls->Forget(call);
      Distribute(status, *call);
      // The context holds the channel, whose last owner must be the backend and not this thread of gRPC.
      call.reset();
      calls->Release();
    };
    stub->async()->BatchIssueParticipantTokens(&started.context, &started.request, &started.response,
                                               std::move(finish));
  }

  const GrpcBackendOptions options;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::TokenService::Stub> stub;
  const std::shared_ptr<InFlight> in_flight;
  std::atomic<bool> was_ready{false};
  std::atomic<bool> stopping{false};
  std::thread connector;  // last, since it uses the others
};

std::string_view CheckTarget(std::string_view target) {
  constexpr std::string_view kForms = "is not host:port, dns:///name:port or unix:/path";
  constexpr std::string_view kUnix = "unix:";
  constexpr std::string_view kDns = "dns:///";
  if (target.substr(0, kUnix.size()) == kUnix) {
    const std::string_view path = target.substr(kUnix.size());
    if (path.empty() || path.front() != '/') return kForms;
    // sockaddr_un has 108 bytes, the final NUL included.
    return path.size() < 108 ? "" : "has a path of more than 107 bytes";
  }
  if (target.substr(0, kDns.size()) == kDns) target.remove_prefix(kDns.size());
  const auto address = ParseHostPort(target);
  return address.ok() && !address->host.empty() && address->port > 0 ? "" : kForms;
}

absl::StatusOr<Secret> ReadCallerToken(const std::string& path) {
  auto text = ReadFile(path, kMaxCallerToken + 64);
  if (!text.ok()) return text.status();
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  std::string_view token = *text;
  while (!token.empty() && is_space(token.front())) token.remove_prefix(1);
  while (!token.empty() && is_space(token.back())) token.remove_suffix(1);
  const bool valid = !token.empty() && token.size() <= kMaxCallerToken &&
                     std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
  Secret secret = Secret::CopyOf(token);
  Wipe(*text);
  if (!valid) {
    return absl::InvalidArgumentError(path + ": must hold one line of 1 to 4096 visible ASCII characters");
  }
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && (info.st_mode & S_IRWXO) != 0) {
    Log(LogLevel::kWarn, "caller_token_file_exposed",
        {{"path", std::string_view(path)}, {"hint", "every user of this machine can read it; chmod o= the file"}});
  }
  return secret;
}

absl::StatusOr<std::unique_ptr<GrpcBackend>> GrpcBackend::Create(GrpcBackendOptions options) {
  const std::string_view problem = CheckTarget(options.target);
  if (!problem.empty()) return absl::InvalidArgumentError(absl::StrCat("server address ", Sv(problem)));
  return std::unique_ptr<GrpcBackend>(new GrpcBackend(std::make_unique<Impl>(std::move(options))));
}

GrpcBackend::GrpcBackend(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GrpcBackend::~GrpcBackend() = default;

void GrpcBackend::Issue(Item item, Done done) {
  auto call = std::make_shared<Call>();
  call->timeout = TimeoutOf(item, impl_->options.default_timeout);
  *call->request.add_items() = std::move(item);
  call->dones.push_back(std::move(done));
  impl_->Send(std::move(call));
}

bool GrpcBackend::Ready() const { return impl_->was_ready; }

}  // namespace livekit::token::gateway
