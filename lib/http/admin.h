// The admin listener of both processes: metrics, probes and pages for whoever is on this machine.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "http/server.h"
#include "service/heartbeat.h"
#include "service/lifecycle.h"
#include "service/metrics.h"

namespace livekit::token::http {

struct AdminPage {
  std::string content_type;
  std::string body;
};

// What the admin listener serves. The functions are called by its own thread and must not block.
struct AdminOptions {
  std::string address;  // host:port
  const Metrics& metrics;
  // /startupz and /readyz. With ?verbose, peers on this machine see every check of readiness.
  // Fails if the listener is lost.
  Lifecycle& lifecycle;
  // /livez: whether none is late.
  const Heartbeats& heartbeats;
  // Further pages by path, such as `/debug/keys`. Only peers on this machine get them, others 403.
  std::map<std::string, std::function<AdminPage()>> pages;
};

// Answers as `options` say. What they refer to must outlive it.
std::unique_ptr<Handler> MakeAdminHandler(AdminOptions options);

// Serves as `options` say. What they refer to must outlive the returned object, whose destructor stops the listener.
class Admin {
 public:
  // Errors: the address cannot be bound. Internal: a page has no row in LimitTable.
  static absl::StatusOr<std::unique_ptr<Admin>> Start(AdminOptions options);
  virtual ~Admin() = default;
  virtual std::string address() const = 0;
};

}  // namespace livekit::token::http
