// From a decision to its answer: counted and recorded first.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "jose/hmac_signer.h"
#include "server/audit.h"
#include "server/call_context.h"
#include "service/metrics.h"

namespace livekit::token {

// Counts and records what is decided. Thread safety: all methods may be called concurrently.
class Decisions {
 public:
  // May take what the result holds, which is large.
  template <typename Response>
  using Done = std::function<void(absl::StatusOr<Response>&&)>;

  // Without `audit` nothing is recorded; with `hash` principals, identities and rooms are hidden in the record.
  // `generation` is the fingerprint of the configuration. `audit`, `clock` and `metrics` must outlive this, and all of
  // it the calls of `done`.
  Decisions(Audit* audit, std::shared_ptr<const jose::HmacSha256> hash, std::string generation, const Clock& clock,
            Metrics& metrics);

  // The record of a call that has just begun.
  AuditEvent Begin(std::string_view method, const CallContext& context) const;
  // That of an item of one, which says itself whose it is.
  AuditEvent Begin(std::string_view method) const;

  // Counts and records a decision and answers. Of a refusal there is one event, whatever there would have been.
  template <typename Response>
  void Conclude(AuditEvent&& event, absl::StatusOr<Response>&& result, const Done<Response>& done) const {
    if (!result.ok()) NoteRefusal(result.status(), event);
    if (!blocking()) {
      RecordLater({&event, 1});
      return done(std::move(result));
    }
    std::vector<AuditEvent> events;
    events.push_back(std::move(event));
    Conclude(std::move(events), std::move(result), done);
  }

  // The same for many tokens, all of which are issued.
  template <typename Response>
  void Conclude(std::vector<AuditEvent>&& events, absl::StatusOr<Response>&& result, const Done<Response>& done) const {
    if (!blocking()) {
      RecordLater(events);
      return done(std::move(result));
    }
    auto waiting = std::make_shared<absl::StatusOr<Response>>(std::move(result));
    RecordFirst(std::move(events), [waiting, done](const absl::Status& recorded) {
      if (!recorded.ok()) return done(recorded);
      done(std::move(*waiting));
    });
  }

 private:
  static void NoteRefusal(const absl::Status& status, AuditEvent& event);

  bool blocking() const { return audit_ != nullptr && audit_->blocking(); }
  void HideNamesIn(std::span<AuditEvent> events) const;
  Time TimeOf(std::span<const AuditEvent> events) const;
  void Count(std::span<const AuditEvent> events) const;
  void RecordLater(std::span<AuditEvent> events) const;
  // Calls `done` when the events have been recorded, or with UNAVAILABLE when they could not be: what nobody can prove
  // afterwards must not be issued.
  void RecordFirst(std::vector<AuditEvent> events, std::function<void(const absl::Status&)> done) const;

  Audit* const audit_;
  const std::shared_ptr<const jose::HmacSha256> hash_;
  const std::string generation_;
  const Clock& clock_;
  Metrics& metrics_;
};

}  // namespace livekit::token
