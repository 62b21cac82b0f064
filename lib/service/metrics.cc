#include "service/metrics.h"

#include <initializer_list>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/metric_family.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "service/process_metrics.h"

namespace livekit::token {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

// OpenTelemetry's buckets for HTTP servers with three below them, since a token takes less than a millisecond.
const Buckets& HttpBuckets() {
  static const auto* const buckets =
      new Buckets{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};
  return *buckets;
}

// A subset of those of gRFC A66.
const Buckets& RpcBuckets() {
  static const auto* const buckets = new Buckets{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3};
  return *buckets;
}

double Seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

// The series of one metric. prometheus-cpp makes a new series, with all its buckets, at every look-up by labels and
// then throws it away; so those that are known are kept here.
template <typename T>
class Series {
 public:
  Series(prometheus::Family<T>& family, std::vector<std::string> label_names)
      : family_(family), label_names_(std::move(label_names)) {}

  // The series with these values, one for each name; `args` are those of T's constructor.
  template <typename... Args>
  T& Get(std::initializer_list<std::string_view> values, const Args&... args) {
    std::string key;
    for (const std::string_view value : values) key.append(value).push_back('\0');
    {
      std::shared_lock lock(mutex_);
      const auto it = known_.find(key);
      if (it != known_.end()) return *it->second;
    }
    prometheus::Labels labels;
    auto name = label_names_.begin();
    for (const std::string_view value : values) labels.emplace(*name++, value);
    T& series = family_.Add(labels, args...);
    std::unique_lock lock(mutex_);
    known_.emplace(std::move(key), &series);
    return series;
  }

 private:
  prometheus::Family<T>& family_;
  const std::vector<std::string> label_names_;
  std::shared_mutex mutex_;
  std::unordered_map<std::string, T*> known_;
};

prometheus::MetricFamily GaugeFamily(const char* name, const char* help) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  return family;
}

void AddValue(prometheus::MetricFamily& family, std::vector<prometheus::ClientMetric::Label> labels, double value) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

// Made anew each time, since keys come and go.
std::vector<prometheus::MetricFamily> KeyFamilies(const std::vector<KeyMetrics>& keys) {
  auto states = GaugeFamily("livekit_token_key_state", "State of each API key: 1 for the one that it is in.");
  auto expiries = GaugeFamily("livekit_token_key_latest_expiry_timestamp_seconds",
                              "Latest expiry of the tokens that the API key has signed in this process.");
  auto removables = GaugeFamily("livekit_token_key_removable_timestamp_seconds",
                                "When an API key that no longer signs may be removed from the key file.");
  auto active = GaugeFamily("livekit_token_active_keys", "API keys that sign.");
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

}  // namespace

struct Metrics::Impl {
  prometheus::Gauge& AddGauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
  }

  prometheus::Registry registry;
  ProcessMetrics process;
  std::function<std::vector<KeyMetrics>()> keys;
  prometheus::Gauge& reload_successful = AddGauge(
      "config_last_reload_successful", "1 if the configuration in use is the newest, 0 if a newer was refused.");
  prometheus::Gauge& reload_time =
      AddGauge("config_last_reload_success_timestamp_seconds", "When the configuration in use was taken into use.");
  prometheus::Family<prometheus::Gauge>& generation =
      prometheus::BuildGauge()
          .Name("config_generation_info")
          .Help("Fingerprint of the configuration in use, the same on all replicas with the same files; always 1.")
          .Register(registry);
  std::mutex generation_mutex;
  prometheus::Gauge* current_generation = nullptr;  // guarded by generation_mutex
  Series<prometheus::Histogram> http{prometheus::BuildHistogram()
                                         .Name("http_server_request_duration_seconds")
                                         .Help("Duration of HTTP requests.")
                                         .Register(registry),
                                     {"http_request_method", "http_route", "http_response_status_code"}};
  Series<prometheus::Histogram> rpc{prometheus::BuildHistogram()
                                        .Name("grpc_server_call_duration_seconds")
                                        .Help("Duration of gRPC calls.")
                                        .Register(registry),
                                    {"grpc_method", "grpc_status"}};
  Series<prometheus::Counter> attempts_started{prometheus::BuildCounter()
                                                   .Name("grpc_client_attempt_started_total")
                                                   .Help("gRPC calls sent, those sent again or beside others included.")
                                                   .Register(registry),
                                               {"grpc_method"}};
  Series<prometheus::Histogram> attempts{prometheus::BuildHistogram()
                                             .Name("grpc_client_attempt_duration_seconds")
                                             .Help("Duration of gRPC calls that were sent.")
                                             .Register(registry),
                                         {"grpc_method", "grpc_status"}};
  Series<prometheus::Counter> issued{
      prometheus::BuildCounter().Name("livekit_token_issued_total").Help("Tokens signed.").Register(registry),
      {"key", "caller", "kind"}};
  Series<prometheus::Counter> denied{prometheus::BuildCounter()
                                         .Name("livekit_token_denied_total")
                                         .Help("Requests refused, by reason.")
                                         .Register(registry),
                                     {"caller", "reason"}};
  Series<prometheus::Counter> rate_limited{prometheus::BuildCounter()
                                               .Name("ratelimit_rejected_total")
                                               .Help("Requests refused because a limit had run out, by limit.")
                                               .Register(registry),
                                           {"scope"}};
  prometheus::Counter& unknown_fields = prometheus::BuildCounter()
                                            .Name("livekit_token_unknown_fields_total")
                                            .Help("Members of request bodies that were ignored.")
                                            .Register(registry)
                                            .Add({});
  Series<prometheus::Gauge> tls_not_after{prometheus::BuildGauge()
                                              .Name("tls_certificate_not_after_timestamp_seconds")
                                              .Help("Until when the certificate in use is valid, in Unix time.")
                                              .Register(registry),
                                          {"role"}};
  prometheus::Gauge& draining = prometheus::BuildGauge()
                                    .Name("livekit_token_draining")
                                    .Help("Whether this process is stopping.")
                                    .Register(registry)
                                    .Add({});
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {
  prometheus::BuildGauge()
      .Name("livekit_token_build_info")
      .Help("Version of this program; always 1.")
      .Register(impl_->registry)
      .Add({{"version", LIVEKIT_TOKEN_VERSION}})
      .Set(1);
}

Metrics::~Metrics() = default;

void Metrics::HttpRequest(std::string_view method, std::string_view route, int status,
                          std::chrono::nanoseconds duration) {
  impl_->http.Get({method, route, std::to_string(status)}, HttpBuckets()).Observe(Seconds(duration));
}

void Metrics::Rpc(std::string_view method, absl::StatusCode code, std::chrono::nanoseconds duration) {
  impl_->rpc.Get({method, absl::StatusCodeToString(code)}, RpcBuckets()).Observe(Seconds(duration));
}

void Metrics::AttemptStarted(std::string_view method) { impl_->attempts_started.Get({method}).Increment(); }

void Metrics::AttemptEnded(std::string_view method, absl::StatusCode code, std::chrono::nanoseconds duration) {
  impl_->attempts.Get({method, absl::StatusCodeToString(code)}, RpcBuckets()).Observe(Seconds(duration));
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
  if (count > 0) impl_->unknown_fields.Increment(count);
}

void Metrics::ConfigLoaded(const std::string& generation, std::chrono::system_clock::time_point now) {
  const std::lock_guard lock(impl_->generation_mutex);
  if (impl_->current_generation != nullptr) impl_->generation.Remove(impl_->current_generation);
  impl_->current_generation = &impl_->generation.Add({{"hash", generation}});
  impl_->current_generation->Set(1);
  impl_->reload_successful.Set(1);
  impl_->reload_time.Set(static_cast<double>(UnixSeconds(now)));
}

void Metrics::ConfigRefused() { impl_->reload_successful.Set(0); }

void Metrics::SetKeySource(std::function<std::vector<KeyMetrics>()> source) { impl_->keys = std::move(source); }

void Metrics::TlsCertificate(std::string_view role, std::chrono::sys_seconds not_after) {
  impl_->tls_not_after.Get({role}).Set(static_cast<double>(not_after.time_since_epoch().count()));
}

void Metrics::Draining() { impl_->draining.Set(1); }

std::string Metrics::Serialize() const {
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  if (impl_->keys) {
    for (auto& family : KeyFamilies(impl_->keys())) families.push_back(std::move(family));
  }
  for (auto& family : impl_->process.Collect()) families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace livekit::token
