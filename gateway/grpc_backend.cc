#include "gateway/grpc_backend.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/secret.h"
#include "base/status.h"
#include "base/text.h"
#include "gateway/batcher.h"
#include "gateway/grpc_channel.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "service/log.h"

namespace livekit::token::gateway {
namespace {

// How often a backend that could not connect yet looks whether it is to stop.
constexpr std::chrono::milliseconds kLookAgain{100};

void LogFailure(const grpc::Status& status, std::string_view request_id) {
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
      {{"grpc_code", std::string_view(code)}, {"detail", std::string_view(detail)}, {"request_id", request_id}});
}

// The attempts in flight, so that they can be ended.
class Contexts {
 public:
  using Context = std::shared_ptr<grpc::ClientContext>;
  using Attempt = BatchQueue::Attempt;

  // False once all have been cancelled.
  bool Add(const Attempt& attempt, const Context& context) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!closed_) contexts_.emplace(&attempt, context);
    return !closed_;
  }
  // False if it has been cancelled.
  bool Remove(const Attempt& attempt) {
    std::lock_guard<std::mutex> lock(mutex_);
    return contexts_.erase(&attempt) > 0;
  }
  void Cancel(const Attempt& attempt) {
    Context context;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto at = contexts_.find(&attempt);
      if (at == contexts_.end()) return;
      context = std::move(at->second);
      contexts_.erase(at);
    }
    // Without the lock, since gRPC may run callbacks of cancelled calls right here.
    context->TryCancel();
  }
  void CancelAll() {
    std::unordered_map<const Attempt*, Context> contexts;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
      contexts.swap(contexts_);
    }
    for (const auto& [attempt, context] : contexts) context->TryCancel();
  }

 private:
  std::mutex mutex_;
  std::unordered_map<const Attempt*, Context> contexts_;
  bool closed_ = false;
};

constexpr std::string_view kMethod = "BatchIssueParticipantTokens";

// Batches as calls on one channel.
class GrpcTransport : public BatchTransport {
 public:
  GrpcTransport(const std::string& target, std::shared_ptr<ChannelTls> tls, std::shared_ptr<CallerToken> caller_token,
                int max_attempts, Metrics& metrics)
      : metrics_(metrics),
        caller_token_(std::move(caller_token)),
        tls_(std::move(tls)),
        channel_(MakeChannel(target, tls_.get(), max_attempts)),
        stub_(v1::TokenService::NewStub(channel_)),
        connector_([this] { Connect(); }) {}
  ~GrpcTransport() override {
    stopping_ = true;
    connector_.join();
  }

  void Send(BatchQueue::Attempt& attempt, BatchQueue::Time now, Answered answered) override {
    auto context = std::make_shared<grpc::ClientContext>();
    if (caller_token_ != nullptr) {
      std::string value = "Bearer ";
      value.append(caller_token_->Get()->Reveal());
      context->AddMetadata("x-caller-authorization", value);
      Wipe(value);
    }
    // The items carry the ids and traces of their requests. The call has many, and is part of none: its own id finds
    // what the server logged when it failed as a whole, and it continues no trace.
    std::string request_id = RandomName();
    context->AddMetadata("x-request-id", request_id);
    // By the monotonic clock: a step of the wall clock must not end or prolong calls.
    const std::int64_t left = std::chrono::nanoseconds(attempt.call->deadline - now).count();
    context->set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left, GPR_TIMESPAN)));
    if (!contexts_.Add(attempt, context)) return answered(absl::StatusCode::kUnavailable);
    metrics_.AttemptStarted(kMethod);
    const auto start = std::chrono::steady_clock::now();
    grpc::ClientContext* started = context.get();
    stub_->async()->BatchIssueParticipantTokens(
        started, &attempt.call->request, &attempt.response,
        [this, &attempt, start, request_id = std::move(request_id), context = std::move(context),
         answered = std::move(answered)](const grpc::Status& status) mutable {
          const auto code = static_cast<absl::StatusCode>(status.error_code());
          metrics_.AttemptEnded(kMethod, code, std::chrono::steady_clock::now() - start);
          const bool wanted = contexts_.Remove(attempt);
          if (status.ok()) {
            was_ready_ = true;
          } else if (wanted) {
            LogFailure(status, request_id);
          }
          // The context holds the channel, whose last owner must be the backend
          // and not this thread of gRPC.
          context.reset();
          answered(code);
        });
  }
  void Cancel(const BatchQueue::Attempt& attempt) override { contexts_.Cancel(attempt); }

  void CancelAll() override { contexts_.CancelAll(); }

  bool was_ready() const { return was_ready_; }
  ConfigProblems ReloadTls(const FileReader& read) {
    return tls_ ? tls_->Reload("server.tls", read) : ConfigProblems();
  }
  ConfigProblems ReloadCallerToken(const FileReader& read) {
    return caller_token_ ? caller_token_->Reload("server.caller_token_file", read) : ConfigProblems();
  }
  bool reachable() const {
    // Not READY alone: servers end old connections, and for a moment a new one is on its way.
    const grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
    return was_ready_ && state != GRPC_CHANNEL_TRANSIENT_FAILURE && state != GRPC_CHANNEL_SHUTDOWN;
  }

 private:
  // Makes the channel connect before there are calls, which a probe waits for. gRPC gets nothing done on a channel
  // unless some thread waits for it; with the first call it has threads of its own, and this one has ended by then or
  // ends soon.
  void Connect() {
    grpc::CompletionQueue queue;
    void* tag = nullptr;
    bool ok = false;
    while (!stopping_ && !was_ready_) {
      const grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
      if (state == GRPC_CHANNEL_READY) {
        was_ready_ = true;
        break;
      }
      channel_->NotifyOnStateChange(state, std::chrono::system_clock::now() + kLookAgain, &queue, nullptr);
      queue.Next(&tag, &ok);
    }
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
  }

  Metrics& metrics_;
  const std::shared_ptr<CallerToken> caller_token_;
  const std::shared_ptr<ChannelTls> tls_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::TokenService::Stub> stub_;
  Contexts contexts_;
  std::atomic<bool> was_ready_{false};
  std::atomic<bool> stopping_{false};
  std::thread connector_;  // last, since it uses the others
};

}  // namespace

struct GrpcBackend::Impl {
  Impl(GrpcBackendOptions options, Metrics& metrics)
      : transport(options.target, std::move(options.tls), std::move(options.caller_token), options.batch.max_attempts,
                  metrics),
        batcher(options.batch, transport) {}

  GrpcTransport transport;
  Batcher batcher;  // destroyed first
};

absl::StatusOr<std::unique_ptr<GrpcBackend>> GrpcBackend::Create(GrpcBackendOptions options, Metrics& metrics) {
  const std::string_view problem = CheckTarget(options.target);
  if (!problem.empty()) return absl::InvalidArgumentError(absl::StrCat("server address ", Sv(problem)));
  return std::unique_ptr<GrpcBackend>(new GrpcBackend(std::make_unique<Impl>(std::move(options), metrics)));
}

GrpcBackend::GrpcBackend(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GrpcBackend::~GrpcBackend() = default;

void GrpcBackend::Issue(Item item, Done done) { impl_->batcher.Issue(std::move(item), std::move(done)); }

bool GrpcBackend::Ready() const { return impl_->transport.was_ready(); }

ConfigProblems GrpcBackend::ReloadTls(const FileReader& read) { return impl_->transport.ReloadTls(read); }

ConfigProblems GrpcBackend::ReloadCallerToken(const FileReader& read) {
  return impl_->transport.ReloadCallerToken(read);
}

bool GrpcBackend::Reachable() const { return impl_->transport.reachable(); }

}  // namespace livekit::token::gateway
