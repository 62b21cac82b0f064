#include "server/policy.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

bool MatchesAny(const std::vector<std::string>& globs, std::string_view text) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) { return GlobMatches(glob, text); });
}

MatchResult Match(const PolicyMatch& match, const Principal& principal, const std::string& room,
                  std::string_view sandbox_id) {
  // One of the two is empty in a match as in a principal.
  if (match.authenticator.empty() && match.service.empty()) return {Mismatch::kWho};
  if (match.authenticator != principal.authenticator || match.service != principal.service) return {Mismatch::kWho};
  if (match.sandbox_ids.empty()) {
    if (!sandbox_id.empty()) return {Mismatch::kSandboxPresent};
  } else {
    if (sandbox_id.empty()) return {Mismatch::kSandboxAbsent};
    if (!MatchesAny(match.sandbox_ids, sandbox_id)) return {Mismatch::kSandboxOther};
  }
  if (!match.rooms.empty()) {
    if (room.empty()) return {Mismatch::kRoomAbsent};
    if (!MatchesAny(match.rooms, room)) return {Mismatch::kRoomOther};
  }
  if (!HasScopes(principal.claims, match.scopes)) return {Mismatch::kScopes};
  for (const ClaimCondition& condition : match.claims) {
    if (!Meets(principal.claims, condition)) return {Mismatch::kClaim, &condition};
  }
  return {};
}

// Applies a policy to the fields of one request, in their order, up to the first refusal; with a trace to the end.
class Application {
 public:
  Application(const PolicyRules& policy, const Principal& principal, const livekit::TokenSourceRequest& request,
              PolicyTrace* trace)
      : policy_(policy), principal_(principal), request_(request), trace_(trace) {}

  absl::StatusOr<Decision> Run() {
    absl::StatusOr<Decision> decision(absl::in_place);  // in its place from the start: grants are large
    decision->policy = &policy_;
    v1::Grants& grants = decision->grants;
    auto& video = *grants.mutable_video();
    video = policy_.grants;
    video.set_room_join(true);
    const bool complete =
        Text(policy_.room, kRoomField, request_.room_name(), *video.mutable_room()) &&
        Text(policy_.identity, kIdentityField, request_.participant_identity(), *grants.mutable_identity()) &&
        Text(policy_.display_name, kDisplayNameField, request_.participant_name(), *grants.mutable_name()) &&
        Text(policy_.metadata, kMetadataField, request_.participant_metadata(), *grants.mutable_metadata()) &&
        Message("participant_attributes", policy_.attributes.mode, !request_.participant_attributes().empty(),
                ResolveAttributes(policy_.attributes, request_.participant_attributes(), principal_,
                                  *grants.mutable_attributes())) &&
        Message("room_config", policy_.room_config.mode, request_.room_config().ByteSizeLong() != 0,
                ResolveRoomConfig(policy_.room_config, request_.room_config(), principal_, grants));
    if (!complete || !refusal_.ok()) decision = refusal_;
    return decision;
  }

 private:
  bool Text(const FieldRule& rule, const FieldPlace& place, const std::string& sent, std::string& out) {
    auto value = ResolveField(rule, place, sent, principal_);
    if (!value.ok()) return Note(place.name, rule.mode, !sent.empty(), value.status(), ValueSource::kNone);
    out = std::move(value->text);
    return Note(place.name, rule.mode, !sent.empty(), absl::OkStatus(), value->source);
  }
  bool Message(std::string_view field, FieldMode mode, bool sent, const absl::StatusOr<ValueSource>& source) {
    return Note(field, mode, sent, source.status(), source.ok() ? *source : ValueSource::kNone);
  }

  // Notes a field's verdict. Returns whether to go on.
  bool Note(std::string_view field, FieldMode mode, bool sent, const absl::Status& status, ValueSource source) {
    if (!status.ok() && refusal_.ok()) refusal_ = status;
    if (trace_ == nullptr) return status.ok();
    trace_->fields.push_back({field, source, status, sent && mode == FieldMode::kIgnore});
    return true;
  }

  const PolicyRules& policy_;
  const Principal& principal_;
  const livekit::TokenSourceRequest& request_;
  PolicyTrace* const trace_;
  absl::Status refusal_;  // the first
};

}  // namespace

absl::StatusOr<Decision> PolicySet::Decide(const Principal& principal, const livekit::TokenSourceRequest& request,
                                           std::string_view sandbox_id, PolicyTrace* trace) const {
  for (const PolicyRules& policy : policies_) {
    const MatchResult result = Match(policy.match, principal, request.room_name(), sandbox_id);
    if (trace != nullptr) trace->policies.push_back({&policy, result});
    if (result.matches()) return Application(policy, principal, request, trace).Run();
  }
  return Refuse(v1::NO_POLICY);
}

const PolicyRules* PolicySet::Find(const Principal& principal, const std::string& room,
                                   std::string_view sandbox_id) const {
  const auto found = std::find_if(policies_.begin(), policies_.end(), [&](const PolicyRules& policy) {
    return Match(policy.match, principal, room, sandbox_id).matches();
  });
  return found == policies_.end() ? nullptr : &*found;
}

absl::Status ToRequestFields(const absl::Status& status) {
  struct Renaming {
    std::string_view from;
    std::string_view to;
  };
  static constexpr std::array<Renaming, 5> kRenamings = {{{"video.room", "room_name"},
                                                          {"identity", "participant_identity"},
                                                          {"name", "participant_name"},
                                                          {"metadata", "participant_metadata"},
                                                          {"attributes", "participant_attributes"}}};
  v1::Error error = ToError(status);
  for (auto& violation : *error.mutable_fields()) {
    const auto renaming = std::find_if(kRenamings.begin(), kRenamings.end(),
                                       [&](const Renaming& r) { return violation.field() == r.from; });
    if (renaming != kRenamings.end()) violation.set_field(std::string(renaming->to));
  }
  return FromError(error);
}

}  // namespace livekit::token
