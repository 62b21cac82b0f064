// The record of what was decided: one event for every token that was issued or refused.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/clock.h"
#include "jose/hmac_signer.h"
#include "livekit/token/v1/errors.pb.h"
#include "livekit/token/v1/grants.pb.h"

namespace livekit::token {

// One decision. What is not known, such as the principal of a credential that was refused, is empty. No part of a
// request stands in it unless a policy or a ceiling has permitted it, and never a credential or a token.
struct AuditEvent {
  std::string_view method;           // name of the RPC
  std::string_view outcome;          // one of kAuditOutcomes
  std::optional<Time> time = {};     // when it was decided; without, that is when it is recorded
  std::string request_id = {};       // see CallContext
  std::string trace_id = {};         // of the trace that the request belongs to
  std::string client = {};           // address of the end user's connection, or of the calling program's
  std::string caller = {};           // name of the service that calls, relays or asserts
  std::string authenticator = {};    // that vouches for the principal; empty if `caller` does
  std::string principal = {};        // its subject
  std::string policy = {};           // that decided; for tokens that a service mints there is none
  std::string_view generation = {};  // fingerprint of the configuration that decided
  std::string project = {};
  std::string key_id = {};
  std::string jti = {};
  std::string identity = {};
  std::string room = {};
  std::string grants = {};  // SummarizeGrants
  int agents = 0;           // that the token dispatches
  std::optional<Time> expire_time = std::nullopt;
  v1::ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;  // of a refusal
};

// What a decision can be. Of verifications only refused calls are decisions: a verification grants nothing.
inline constexpr std::string_view kIssued = "issued";
inline constexpr std::string_view kRefused = "refused";
inline constexpr std::string_view kExplained = "explained";

// A member of the JSON object that an event is written as.
struct AuditField {
  std::string_view name;
  std::string_view meaning;
};

// All members, in the order in which they are written; those that are empty are left out.
inline constexpr std::array<AuditField, 21> kAuditFields = {{
    {"ts", "when it was decided: UTC, RFC 3339 with milliseconds"},
    {"event", "`audit`"},
    {"outcome", "`issued`, `refused`, or `explained` for a request that an administrator had explained"},
    {"reason", "of a refusal, from the table of reasons"},
    {"method", "name of the RPC; requests of a gateway are `BatchIssueParticipantTokens`"},
    {"request_id", "id of the request, as in `X-Request-Id` and in the log"},
    {"trace_id", "id of the request's trace, as in `traceparent`"},
    {"client", "address of the end user's connection, or of the calling program's"},
    {"caller", "name of the service that called, relayed the request or asserted the principal"},
    {"authenticator", "name of the authenticator that vouches for the principal"},
    {"principal", "its subject"},
    {"policy", "name of the policy that decided"},
    {"generation", "fingerprint of the configuration that decided, as in `config_generation_info`"},
    {"project", "name of the project"},
    {"key_id", "API key that signed"},
    {"jti", "id of the token"},
    {"identity", "identity in the token"},
    {"room", "room in the token"},
    {"grants", "grants that are true in the token, and `sip`, `inference` and the like if it has those"},
    {"agents", "number of agents that the token dispatches"},
    {"expire_time", "when the token expires"},
}};

// The names of the grants that are true, in the order of their numbers, separated by commas: `room_join,can_publish`.
// Behind them the other objects that the token has, and its kind.
std::string SummarizeGrants(const v1::Grants& grants);

// Notes that a token has been issued, and what it says.
void NoteToken(std::string_view project, std::string_view key_id, const v1::Grants& grants, std::string_view jti,
               Time expire_time, AuditEvent& event);

// Puts codes in the place of principal, identity and room: the same for the same name, from which nobody without the
// key can tell it.
void HideNames(const jose::HmacSha256& key, AuditEvent& event);

// Appends the event as one line of JSON, without line end.
void AppendAuditEvent(const AuditEvent& event, Time time, Buffer& out);

// Where events go.
//
// Thread safety: all methods may be called concurrently.
class Audit {
 public:
  virtual ~Audit() = default;
  // Whether requests wait until their events have been recorded.
  virtual bool blocking() const = 0;
  // Records the events of one request and calls `done` exactly once: with whether all have been recorded if blocking(),
  // now or later, on any thread; and otherwise at once, with true.
  virtual void Record(std::span<const AuditEvent> events, Time time, std::function<void(bool)> done) = 0;
};

}  // namespace livekit::token
