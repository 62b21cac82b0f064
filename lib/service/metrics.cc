#include "service/metrics.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "service/process_metrics.h"
#include "service/series.h"

namespace livekit::token {
namespace {

double Seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

// Made anew each time, since keys come and go.
std::vector<prometheus::MetricFamily> KeyFamilies(const std::vector<KeyMetrics>& keys) {
  auto states = MakeFamily(Metric("livekit_token_key_state"));
  auto expiries = MakeFamily(Metric("livekit_token_key_latest_expiry_timestamp_seconds"));
  auto removables = MakeFamily(Metric("livekit_token_key_removable_timestamp_seconds"));
  auto active = MakeFamily(Metric("livekit_token_active_keys"));
  int signing = 0;
  for (const KeyMetrics& key : keys) {
    for (const std::string_view state : kKeyStates) {
      AddValue(states, {{"project", key.project}, {"key", key.key_id}, {"state", std::string(state)}},
               state == key.state ? 1 : 0);
    }
    signing += int{key.state == "active"};
    const std::vector<prometheus::ClientMetric::Label> labels = {{"project", key.project}, {"key", key.key_id}};
    if (key.latest_expiry) AddValue(expiries, labels, static_cast<double>(UnixSeconds(*key.latest_expiry)));
    if (key.removable) AddValue(removables, labels, static_cast<double>(UnixSeconds(*key.removable)));
  }
  AddValue(active, {}, signing);
  return {std::move(states), std::move(expiries), std::move(removables), std::move(active)};
}

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

  const unsigned programs;
  prometheus::Registry registry;
  ProcessMetrics process;
  std::function<std::vector<KeyMetrics>()> keys;
  std::mutex generation_mutex;
  std::string current_generation;  // guarded by generation_mutex; empty before there is one

  Counter issued{registry, Metric("livekit_token_issued_total")};
  Counter denied{registry, Metric("livekit_token_denied_total")};
  Counter rate_limited{registry, Metric("ratelimit_rejected_total")};
  Counter unknown_fields{registry, Metric("livekit_token_unknown_fields_total")};
  Histogram http{registry, Metric("http_server_request_duration_seconds")};
  Histogram rpc{registry, Metric("grpc_server_call_duration_seconds")};
  Counter attempts_started{registry, Metric("grpc_client_attempt_started_total")};
  Histogram attempts{registry, Metric("grpc_client_attempt_duration_seconds")};
  Gauge reload_successful{registry, Metric("config_last_reload_successful")};
  Gauge reload_time{registry, Metric("config_last_reload_success_timestamp_seconds")};
  Gauge tls_not_after{registry, Metric("tls_certificate_not_after_timestamp_seconds")};
  Gauge draining{registry, Metric("livekit_token_draining")};
  Gauge build_info{registry, Metric("livekit_token_build_info")};
};

Metrics::Metrics(unsigned programs) : impl_(std::make_unique<Impl>(programs)) {
  impl_->build_info.Get({LIVEKIT_TOKEN_VERSION, LIVEKIT_TOKEN_REVISION}).Set(1);
}

Metrics::~Metrics() = default;

void Metrics::HttpRequest(std::string_view method, std::string_view route, int status,
                          std::chrono::nanoseconds duration) {
  impl_->http.Get({method, route, std::to_string(status)}).Observe(Seconds(duration));
}

void Metrics::Rpc(std::string_view method, absl::StatusCode code, std::chrono::nanoseconds duration) {
  impl_->rpc.Get({method, absl::StatusCodeToString(code)}).Observe(Seconds(duration));
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

void Metrics::RateLimited(LimitScope scope) { impl_->rate_limited.Get({LimitScopeName(scope)}).Increment(); }

void Metrics::UnknownFields(int count) {
  if (count > 0) impl_->unknown_fields.Get({}).Increment(count);
}

void Metrics::ConfigLoaded(const std::string& generation, std::chrono::system_clock::time_point now) {
  {
    const std::lock_guard lock(impl_->generation_mutex);
    impl_->current_generation = generation;
  }
  impl_->reload_successful.Get({}).Set(1);
  impl_->reload_time.Get({}).Set(static_cast<double>(UnixSeconds(now)));
}

void Metrics::ConfigRefused() { impl_->reload_successful.Get({}).Set(0); }

void Metrics::SetKeySource(std::function<std::vector<KeyMetrics>()> source) { impl_->keys = std::move(source); }

void Metrics::TlsCertificate(std::string_view role, std::chrono::sys_seconds not_after) {
  impl_->tls_not_after.Get({role}).Set(static_cast<double>(not_after.time_since_epoch().count()));
}

void Metrics::Draining() { impl_->draining.Get({}).Set(1); }

std::string Metrics::Serialize() const {
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  const auto add = [&families](std::vector<prometheus::MetricFamily> more) {
    std::move(more.begin(), more.end(), std::back_inserter(families));
  };
  {
    const std::lock_guard lock(impl_->generation_mutex);
    if (!impl_->current_generation.empty()) add({GenerationFamily(impl_->current_generation)});
  }
  if (impl_->keys) add(KeyFamilies(impl_->keys()));
  add(impl_->process.Collect());
  std::erase_if(families, [this](const prometheus::MetricFamily& family) {
    const MetricRow* const row = FindMetric(family.name);
    return row == nullptr || (row->programs & impl_->programs) == 0;
  });
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace livekit::token
