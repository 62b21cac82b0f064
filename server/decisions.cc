#include "server/decisions.h"

#include <chrono>

#include "base/status.h"

namespace livekit::token {
namespace {

constexpr std::chrono::seconds kRetryUnrecorded{1};

// Callers that the configuration does not name are one.
std::string CallerLabel(const AuditEvent& event) { return event.caller.empty() ? "other" : event.caller; }

}  // namespace

Decisions::Decisions(Audit* audit, std::shared_ptr<const jose::HmacSha256> hash, std::string generation,
                     const Clock& clock, Metrics& metrics)
    : audit_(audit), hash_(std::move(hash)), generation_(std::move(generation)), clock_(clock), metrics_(metrics) {}

AuditEvent Decisions::Begin(std::string_view method, const CallContext& context) const {
  AuditEvent event = Begin(method);
  event.request_id = context.request_id;
  event.trace_id = context.trace.trace_id();
  event.client = context.peer_address;
  return event;
}

AuditEvent Decisions::Begin(std::string_view method) const {
  AuditEvent event;
  event.method = method;
  event.generation = generation_;
  return event;
}

void Decisions::NoteRefusal(const absl::Status& status, AuditEvent& event) {
  event.outcome = kRefused;
  event.reason = ReasonOf(status);
}

void Decisions::HideNamesIn(std::span<AuditEvent> events) const {
  if (hash_ == nullptr) return;
  for (AuditEvent& event : events) HideNames(*hash_, event);
}

Time Decisions::TimeOf(std::span<const AuditEvent> events) const {
  return events.front().time ? *events.front().time : clock_.Now();
}

void Decisions::Count(std::span<const AuditEvent> events) const {
  for (const AuditEvent& event : events) {
    if (event.outcome == kRefused) {
      metrics_.Denied(CallerLabel(event), event.reason);
    } else if (event.outcome == kIssued) {
      const bool minted = event.policy.empty();
      metrics_.Issued(event.key_id, minted ? event.caller : event.policy, minted ? "minted" : "participant");
    }
  }
}

void Decisions::RecordLater(std::span<AuditEvent> events) const {
  Count(events);
  if (audit_ == nullptr) return;
  HideNamesIn(events);
  audit_->Record(events, TimeOf(events), [](bool) {});
}

void Decisions::RecordFirst(std::vector<AuditEvent> events, std::function<void(const absl::Status&)> done) const {
  HideNamesIn(events);
  auto waiting = std::make_shared<const std::vector<AuditEvent>>(std::move(events));
  audit_->Record(*waiting, TimeOf(*waiting), [this, waiting, done = std::move(done)](bool recorded) {
    if (!recorded) {
      metrics_.Denied(CallerLabel(waiting->front()), v1::UNAVAILABLE);
      return done(WithRetryDelay(Refuse(v1::UNAVAILABLE), kRetryUnrecorded));
    }
    Count(*waiting);
    done(absl::OkStatus());
  });
}

}  // namespace livekit::token
