// The names of all claims: the only place that spells them.
#pragma once

#include <array>
#include <string_view>

namespace livekit::token {

// A claim's name, and the same with quotes and colon as it is written.
struct ClaimName {
  std::string_view name;
  std::string_view key;
};

#define LKT_CLAIM(constant, text) \
  inline constexpr ClaimName constant { text, "\"" text "\":" }

// RFC 7519 section 4.1.
LKT_CLAIM(kIss, "iss");
LKT_CLAIM(kSub, "sub");
LKT_CLAIM(kAud, "aud");
LKT_CLAIM(kExp, "exp");
LKT_CLAIM(kNbf, "nbf");
LKT_CLAIM(kIat, "iat");
LKT_CLAIM(kJti, "jti");

// LiveKit's grants (github.com/livekit/protocol, auth/grants.go).
LKT_CLAIM(kIdentity, "identity");  // written by the Go SDK, ignored by servers
LKT_CLAIM(kName, "name");
LKT_CLAIM(kKind, "kind");
LKT_CLAIM(kKindDetails, "kindDetails");
LKT_CLAIM(kMetadata, "metadata");
LKT_CLAIM(kAttributes, "attributes");
LKT_CLAIM(kSha256, "sha256");
LKT_CLAIM(kRoomPreset, "roomPreset");
LKT_CLAIM(kRoomConfig, "roomConfig");
LKT_CLAIM(kVideo, "video");
LKT_CLAIM(kSip, "sip");
LKT_CLAIM(kAgent, "agent");  // both the grant and a member of `video`
LKT_CLAIM(kInference, "inference");
LKT_CLAIM(kObservability, "observability");

LKT_CLAIM(kRoomCreate, "roomCreate");
LKT_CLAIM(kRoomList, "roomList");
LKT_CLAIM(kRoomRecord, "roomRecord");
LKT_CLAIM(kRoomAdmin, "roomAdmin");
LKT_CLAIM(kRoomJoin, "roomJoin");
LKT_CLAIM(kRoom, "room");
LKT_CLAIM(kCanPublish, "canPublish");
LKT_CLAIM(kCanSubscribe, "canSubscribe");
LKT_CLAIM(kCanPublishData, "canPublishData");
LKT_CLAIM(kCanPublishSources, "canPublishSources");
LKT_CLAIM(kCanUpdateOwnMetadata, "canUpdateOwnMetadata");
LKT_CLAIM(kIngressAdmin, "ingressAdmin");
LKT_CLAIM(kHidden, "hidden");
LKT_CLAIM(kRecorder, "recorder");
LKT_CLAIM(kCanSubscribeMetrics, "canSubscribeMetrics");
LKT_CLAIM(kCanManageAgentSession, "canManageAgentSession");
LKT_CLAIM(kDestinationRoom, "destinationRoom");

LKT_CLAIM(kAdmin, "admin");
LKT_CLAIM(kCall, "call");
LKT_CLAIM(kSimulationAdmin, "simulationAdmin");
LKT_CLAIM(kDatabaseAdmin, "databaseAdmin");
LKT_CLAIM(kPerform, "perform");
LKT_CLAIM(kWrite, "write");

#undef LKT_CLAIM

// A claim that is an object, with the members that Grants knows.
struct ClaimObject {
  std::string_view name;
  bool may_be_extended;  // whether extra claims may add members
  std::array<std::string_view, 18> members;
};

// `roomConfig` holds only what the schema knows, since older servers refuse the rest; `attributes` is the
// participant's.
inline constexpr std::array<ClaimObject, 7> kClaimObjects = {{
    {kVideo.name,
     true,
     {kRoomCreate.name, kRoomList.name, kRoomRecord.name, kRoomAdmin.name, kRoomJoin.name, kRoom.name, kCanPublish.name,
      kCanSubscribe.name, kCanPublishData.name, kCanPublishSources.name, kCanUpdateOwnMetadata.name, kIngressAdmin.name,
      kHidden.name, kRecorder.name, kAgent.name, kCanSubscribeMetrics.name, kCanManageAgentSession.name,
      kDestinationRoom.name}},
    {kSip.name, true, {kAdmin.name, kCall.name}},
    {kAgent.name, true, {kAdmin.name, kSimulationAdmin.name, kDatabaseAdmin.name}},
    {kInference.name, true, {kPerform.name}},
    {kObservability.name, true, {kWrite.name}},
    {kRoomConfig.name, false, {}},
    {kAttributes.name, false, {}},
}};

// Claims that are not objects.
inline constexpr std::array<std::string_view, 14> kPlainClaims = {
    kIss.name,  kSub.name,      kAud.name,  kExp.name,         kNbf.name,      kIat.name,    kJti.name,
    kName.name, kIdentity.name, kKind.name, kKindDetails.name, kMetadata.name, kSha256.name, kRoomPreset.name,
};

// Whether two names are equal apart from the case of ASCII letters: Go's decoder matches names that way.
constexpr bool EqualFold(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// The object claim that `name` means, or null.
constexpr const ClaimObject* FindClaimObject(std::string_view name) {
  for (const auto& object : kClaimObjects) {
    if (EqualFold(object.name, name)) return &object;
  }
  return nullptr;
}

// Whether `name` means a claim of kPlainClaims.
constexpr bool IsKnownClaim(std::string_view name) {
  for (const auto& claim : kPlainClaims) {
    if (EqualFold(claim, name)) return true;
  }
  return false;
}

// Whether `name` means a known member of `object`.
constexpr bool IsKnownMember(const ClaimObject& object, std::string_view name) {
  for (const auto& member : object.members) {
    if (!member.empty() && EqualFold(member, name)) return true;
  }
  return false;
}

}  // namespace livekit::token
