#include "service/rpc_metrics.h"

#include <utility>

#include "service/series.h"

namespace livekit::token {

RpcMetrics::RpcMetrics(std::string method, Series<prometheus::Counter>& started,
                       Series<prometheus::Histogram>& durations)
    : method_(std::move(method)), started_(started.Get({method_})), durations_(durations) {}

void RpcMetrics::Started() { started_.Increment(); }

void RpcMetrics::Ended(absl::StatusCode code, std::chrono::nanoseconds duration) {
  auto index = static_cast<std::size_t>(code);
  if (index >= by_code_.size()) index = static_cast<std::size_t>(absl::StatusCode::kUnknown);
  prometheus::Histogram* series = by_code_[index].load(std::memory_order_acquire);
  if (series == nullptr) {
    series = &durations_.Get({method_, absl::StatusCodeToString(static_cast<absl::StatusCode>(index))});
    by_code_[index].store(series, std::memory_order_release);
  }
  series->Observe(std::chrono::duration<double>(duration).count());
}

}  // namespace livekit::token
