// Questions about credentials to a service that knows them.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "http/client.h"
#include "server/authenticator.h"
#include "server/principal.h"
#include "service/authenticator_metrics.h"

namespace livekit::token {

// What a service said about a credential.
struct InquiryAnswer {
  Principal principal;
  Time expires = Time::max();  // first moment at which the credential no longer counts
};

struct InquiryOptions {
  std::string authenticator;                // for the log
  AuthenticatorMetrics* metrics = nullptr;  // must outlive every answer; null: nothing is counted
  std::chrono::seconds cache_ttl{0};        // for how long an answer is remembered; 0: not at all
  std::size_t cache_entries = 10'000;       // most answers that are
  // The principal in an answer of any status, or why there is none: AUTHENTICATION_FAILED if the credential is not
  // good, UNAVAILABLE if the answer says nothing about it, both with a detail (WithDetail) for the operator. That is in
  // the debug log, and of UNAVAILABLE and answers of status 500 and above also in a warning, at most once in ten
  // seconds.
  std::function<absl::StatusOr<InquiryAnswer>(const http::ClientResponse&, Time now)> read;
};

// Asks, and remembers only the answers that name a principal.
//
// Thread safety: all methods may be called concurrently. The object must not be destroyed on its client's thread.
class Inquiry {
 public:
  // Each service has a client of its own, so that one that hangs holds up nobody but those who need it.
  Inquiry(std::unique_ptr<http::Client> client, InquiryOptions options);
  ~Inquiry();

  // Sends `request`, unless an answer for `key` is remembered, and calls `done` once: before it returns or on the
  // client's thread, maybe while the object is destroyed. `key` holds everything that the answer may depend on. Errors:
  // those of `read`, and UNAVAILABLE without an answer.
  void Ask(std::string_view key, http::ClientRequest request, Time now, Authenticator::Done done) const;

  // For tests.
  std::size_t remembered() const;

 private:
  class Memory;

  // Shared with requests that wait for their answer.
  const std::shared_ptr<Memory> memory_;
  const std::unique_ptr<http::Client> client_;  // destroyed first, which answers what waits
};

}  // namespace livekit::token
