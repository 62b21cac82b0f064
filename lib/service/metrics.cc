#include "service/metrics.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "service/authenticator_metrics.h"
#include "service/process_metrics.h"
#include "service/rpc_metrics.h"
#include "service/series.h"

namespace livekit::token {
namespace {

double Seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

// One series at a time: those of former generations would stay.
prometheus::MetricFamily GenerationFamily(const std::string& generation) {
  auto family = MakeFamily(Metric("config_generation_info"));
  AddValue(family, {{"hash", generation}}, 1);
  return family;
}

}  // namespace

struct Metrics::Impl {
  using Counter = Series<prometheus::Counter>;
  using Gauge = Series<prometheus::Gauge>;
  using Histogram = Series<prometheus::Histogram>;

  explicit Impl(unsigned p) : programs(p) {}

  // Those of one name, made when it is first asked for.
  template <typename T, typename... Args>
  T& Of(std::map<std::string, std::unique_ptr<T>, std::less<>>& all, std::string_view name, Args&... args) {
    const std::lock_guard lock(mutex);
    auto it = all.find(name);
    if (it == all.end()) it = all.emplace(name, std::make_unique<T>(std::string(name), args...)).first;
    return *it->second;
  }
  prometheus::Counter& SingleCounter(const MetricRow& row) { return Single<prometheus::Counter>(registry, row); }
  prometheus::Gauge& SingleGauge(const MetricRow& row) { return Single<prometheus::Gauge>(registry, row); }

  const unsigned programs;
  prometheus::Registry registry;
  ProcessMetrics process;
  std::function<ServerStatus()> server_source;

  Counter issued{registry, Metric("livekit_token_issued_total")};
  Counter denied{registry, Metric("livekit_token_denied_total")};
  Histogram sign{registry, Metric("livekit_token_sign_duration_seconds")};
  // The only algorithm that LiveKit takes.
  prometheus::Histogram& sign_hs256 = sign.Get({"HS256"});
  Counter authentications{registry, Metric("livekit_token_authentications_total")};
  Histogram authenticator_requests{registry, Metric("livekit_token_authenticator_request_duration_seconds")};
  Counter rate_limited{registry, Metric("ratelimit_rejected_total")};
  prometheus::Counter& unknown_fields = SingleCounter(Metric("livekit_token_unknown_fields_total"));
  Histogram http{registry, Metric("http_server_request_duration_seconds")};
  prometheus::Gauge& http_active = SingleGauge(Metric("http_server_active_requests"));
  prometheus::Gauge& http_connections = SingleGauge(Metric("http_server_connections"));
  Counter http_rejected{registry, Metric("http_server_connections_rejected_total")};
  Counter grpc_aborted{registry, Metric("grpc_server_connections_aborted_total")};
  Counter rpcs_started{registry, Metric("grpc_server_call_started_total")};
  Histogram rpcs{registry, Metric("grpc_server_call_duration_seconds")};
  Counter attempts_started{registry, Metric("grpc_client_attempt_started_total")};
  Histogram attempts{registry, Metric("grpc_client_attempt_duration_seconds")};
  prometheus::Gauge& reload_successful = SingleGauge(Metric("config_last_reload_successful"));
  prometheus::Gauge& reload_time = SingleGauge(Metric("config_last_reload_success_timestamp_seconds"));
  Gauge tls_not_after{registry, Metric("tls_certificate_not_after_timestamp_seconds")};
  prometheus::Counter& clock_jumps = SingleCounter(Metric("clock_jumps_total"));
  prometheus::Gauge& draining = SingleGauge(Metric("livekit_token_draining"));
  Gauge build_info{registry, Metric("livekit_token_build_info")};

  std::mutex mutex;        // guards what follows
  std::string generation;  // empty before there is one
  std::map<std::string, std::unique_ptr<RpcMetrics>, std::less<>> by_rpc;
  std::map<std::string, std::unique_ptr<AuthenticatorMetrics>, std::less<>> by_authenticator;
};

Metrics::Metrics(unsigned programs, std::string_view revision) : impl_(std::make_unique<Impl>(programs)) {
  impl_->build_info.Get({LIVEKIT_TOKEN_VERSION, revision}).Set(1);
  for (const std::string_view reason : kHttpRejections) impl_->http_rejected.Get({reason});
  for (const std::string_view reason : kGrpcAbuses) impl_->grpc_aborted.Get({reason});
}

Metrics::~Metrics() = default;

void Metrics::HttpRequest(std::string_view method, std::string_view route, int status,
                          std::chrono::nanoseconds duration) {
  impl_->http.Get({method, route, std::to_string(status)}).Observe(Seconds(duration));
}

void Metrics::HttpActiveRequests(int change) { impl_->http_active.Increment(change); }

void Metrics::HttpConnections(int change) { impl_->http_connections.Increment(change); }

void Metrics::HttpConnectionRejected(HttpRejection reason) {
  impl_->http_rejected.Get({kHttpRejections[static_cast<std::size_t>(reason)]}).Increment();
}

void Metrics::GrpcConnectionAborted(GrpcAbuse reason) {
  impl_->grpc_aborted.Get({kGrpcAbuses[static_cast<std::size_t>(reason)]}).Increment();
}

RpcMetrics& Metrics::OfRpc(std::string_view method) {
  return impl_->Of(impl_->by_rpc, method, impl_->rpcs_started, impl_->rpcs);
}

AuthenticatorMetrics& Metrics::OfAuthenticator(std::string_view name) {
  return impl_->Of(impl_->by_authenticator, name, impl_->authentications, impl_->authenticator_requests);
}

void Metrics::AttemptStarted(std::string_view method) { impl_->attempts_started.Get({method}).Increment(); }

void Metrics::AttemptEnded(std::string_view method, absl::StatusCode code, std::chrono::nanoseconds duration) {
  impl_->attempts.Get({method, absl::StatusCodeToString(code)}).Observe(Seconds(duration));
}

void Metrics::Issued(std::string_view key_id, std::string_view caller, std::string_view kind) {
  impl_->issued.Get({key_id, caller, kind}).Increment();
}

void Metrics::Denied(std::string_view caller, v1::ErrorReason reason) {
  // Through the table: a number that this build does not know has no name.
  impl_->denied.Get({caller, v1::ErrorReason_Name(GetReasonInfo(reason).reason)}).Increment();
}

void Metrics::Signed(std::chrono::nanoseconds duration) { impl_->sign_hs256.Observe(Seconds(duration)); }

void Metrics::RateLimited(LimitScope scope) { impl_->rate_limited.Get({LimitScopeName(scope)}).Increment(); }

void Metrics::UnknownFields(int count) {
  if (count > 0) impl_->unknown_fields.Increment(count);
}

void Metrics::ConfigLoaded(const std::string& generation, std::chrono::system_clock::time_point now) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->generation = generation;
  }
  impl_->reload_successful.Set(1);
  impl_->reload_time.Set(static_cast<double>(UnixSeconds(now)));
}

void Metrics::ConfigRefused() { impl_->reload_successful.Set(0); }

void Metrics::SetServerSource(std::function<ServerStatus()> source) { impl_->server_source = std::move(source); }

void Metrics::ClockJumped() { impl_->clock_jumps.Increment(); }

void Metrics::TlsCertificate(std::string_view role, std::chrono::sys_seconds not_after) {
  impl_->tls_not_after.Get({role}).Set(static_cast<double>(not_after.time_since_epoch().count()));
}

void Metrics::Draining() { impl_->draining.Set(1); }

std::string Metrics::Serialize() const {
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  const auto add = [&families](std::vector<prometheus::MetricFamily> more) {
    std::move(more.begin(), more.end(), std::back_inserter(families));
  };
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->generation.empty()) add({GenerationFamily(impl_->generation)});
  }
  if (impl_->server_source) add(StatusFamilies(impl_->server_source()));
  add(impl_->process.Collect());
  std::erase_if(families, [this](const prometheus::MetricFamily& family) {
    const MetricRow* const row = FindMetric(family.name);
    return row == nullptr || (row->programs & impl_->programs) == 0;
  });
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace livekit::token
