// The admin listener of both processes: /metrics, /livez, /readyz, /startupz.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "http/server.h"
#include "service/lifecycle.h"
#include "service/metrics.h"

namespace livekit::token::http {

// Serves metrics and probes at `address`. `is_ready` is asked for /readyz in addition to `lifecycle`. All three must
// outlive the returned object, whose destructor stops the listener.
class Admin {
 public:
  static absl::StatusOr<std::unique_ptr<Admin>> Start(const std::string& address, const Metrics& metrics,
                                                      const Lifecycle& lifecycle, std::function<bool()> is_ready);
  virtual ~Admin() = default;
  virtual std::string address() const = 0;
};

}  // namespace livekit::token::http
