// What the kernel knows about this process, as metrics.
#pragma once

#include <vector>

#include "prometheus/collectable.h"

namespace livekit::token {

// The usual process_* metrics, read from /proc at every scrape; those that cannot be read are left out.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace livekit::token
