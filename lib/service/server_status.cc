#include "service/server_status.h"

#include <utility>

#include "base/clock.h"
#include "service/series.h"

namespace livekit::token {
namespace {

double UnixTime(std::chrono::system_clock::time_point time) { return static_cast<double>(UnixSeconds(time)); }

void AddKeys(const std::vector<KeyMetrics>& keys, std::vector<prometheus::MetricFamily>& families) {
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
    if (key.latest_expiry) AddValue(expiries, labels, UnixTime(*key.latest_expiry));
    if (key.removable) AddValue(removables, labels, UnixTime(*key.removable));
  }
  AddValue(active, {}, signing);
  for (auto* family : {&states, &expiries, &removables, &active}) families.push_back(std::move(*family));
}

void AddJwks(const std::vector<JwksMetrics>& all, std::vector<prometheus::MetricFamily>& families) {
  auto fetches = MakeFamily(Metric("livekit_token_jwks_fetches_total"));
  auto last = MakeFamily(Metric("livekit_token_jwks_last_success_timestamp_seconds"));
  for (const JwksMetrics& jwks : all) {
    AddValue(fetches, {{"authenticator", jwks.authenticator}, {"outcome", "success"}},
             static_cast<double>(jwks.successes));
    AddValue(fetches, {{"authenticator", jwks.authenticator}, {"outcome", "failure"}},
             static_cast<double>(jwks.failures));
    if (jwks.last_success) AddValue(last, {{"authenticator", jwks.authenticator}}, UnixTime(*jwks.last_success));
  }
  for (auto* family : {&fetches, &last}) families.push_back(std::move(*family));
}

}  // namespace

std::vector<prometheus::MetricFamily> StatusFamilies(const ServerStatus& status) {
  std::vector<prometheus::MetricFamily> families;
  AddKeys(status.keys, families);
  AddJwks(status.jwks, families);
  auto in_flight = MakeFamily(Metric("livekit_token_requests_in_flight"));
  AddValue(in_flight, {}, static_cast<double>(status.requests_in_flight));
  families.push_back(std::move(in_flight));
  auto dropped = MakeFamily(Metric("livekit_token_audit_dropped_total"));
  AddValue(dropped, {}, static_cast<double>(status.audit_dropped));
  families.push_back(std::move(dropped));
  return families;
}

}  // namespace livekit::token
