// Requests for tokens over HTTP.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "faults/schedule.h"
#include "faults/tally.h"
#include "faults/token_check.h"

namespace livekit::token::faults {

// How to ask over HTTP.
struct HttpLoadOptions {
  std::vector<std::string> addresses;  // IPv4 `host:port`
  std::size_t connections = 8;         // kept in use; more are opened while all of them wait for answers
  std::chrono::milliseconds patience{10000};
  std::string path = "/getToken";
  std::string room = "faults";
  bool forwarded = false;  // every request claims another address in X-Forwarded-For, of IPv6 in a /64 of its own
  std::string credential;  // sent as `Authorization: Bearer` if not empty
};

// Asks as scheduled until the schedule is over or `stop` is true, and waits for what is then in flight. Keep-alive
// connections spread over the addresses; nothing is ever tried again. An address that says `Connection: close` or
// breaks a connection gets no new ones as long as there is another, as a load balancer would have it. Outcomes are
// `201`; other statuses, 503 without Retry-After as `503_without_retry_after`; `wrong_body`, `unverifiable`, `broken`
// (no HTTP); `connect_refused`, `connect_failed`, `connect_timeout`, `reset`, `closed` (before the answer was whole),
// `timeout`; `unsent` if no connection became free in time.
void RunHttpLoad(const HttpLoadOptions& options, Schedule schedule, const std::atomic<bool>& stop, TokenCheck& check,
                 Tally& tally);

}  // namespace livekit::token::faults
