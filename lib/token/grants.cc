#include "livekit/token/grants.h"

#include <algorithm>
#include <string>

#include "base/status.h"
#include "claim_names.h"

namespace livekit::token {
namespace {

bool Contains(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

absl::Status TooLong(std::string_view field, std::size_t limit) {
  return RefuseField(v1::FIELD_TOO_LONG, field, "has more than " + std::to_string(limit) + " bytes of UTF-8");
}

std::string Indexed(std::string_view field, int index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

absl::Status CheckVideo(const v1::VideoGrant& video, const std::string& identity) {
  if (video.room_join()) {
    if (video.room().empty()) return RefuseField(v1::FIELD_REQUIRED, "video.room", "is required to join");
    if (identity.empty()) return RefuseField(v1::FIELD_REQUIRED, "identity", "is required to join");
  }
  if (video.room().size() > kMaxRoomNameBytes) return TooLong("video.room", kMaxRoomNameBytes);
  if (video.destination_room().size() > kMaxRoomNameBytes) return TooLong("video.destination_room", kMaxRoomNameBytes);
  for (int i = 0; i < video.can_publish_sources_size(); ++i) {
    if (!IsTrackSource(video.can_publish_sources(i))) {
      return RefuseField(v1::FIELD_INVALID, Indexed("video.can_publish_sources", i),
                         "is not one of camera, microphone, screen_share, screen_share_audio");
    }
  }
  return absl::OkStatus();
}

// The padded base64 of 32 bytes, as LiveKit's webhooks carry it.
bool IsSha256Base64(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() != 44 || text.back() != '=') return false;
  const std::string_view digits = text.substr(0, 43);
  if (digits.find_first_not_of(kAlphabet) != std::string_view::npos) return false;
  return kAlphabet.find(digits.back()) % 4 == 0;  // 43 digits are 258 bits: the last two are zero
}

// Claims come after this check as JSON without further thought, so nothing may be in them that LiveKit reads otherwise.
absl::Status CheckExtraValue(const google::protobuf::Value& value, const std::string& path, int depth) {
  constexpr int kMaxDepth = 16;
  if (depth > kMaxDepth) return RefuseField(v1::FIELD_INVALID, path, "is nested too deeply");
  switch (value.kind_case()) {
    case google::protobuf::Value::KIND_NOT_SET:
    case google::protobuf::Value::kNullValue:
      return RefuseField(v1::FIELD_INVALID, path, "must not be null");
    case google::protobuf::Value::kNumberValue:
      if (!(value.number_value() >= -1e300 && value.number_value() <= 1e300)) {
        return RefuseField(v1::FIELD_INVALID, path, "is not a finite number");
      }
      return absl::OkStatus();
    case google::protobuf::Value::kStructValue:
      for (const auto& [name, member] : value.struct_value().fields()) {
        LKT_RETURN_IF_ERROR(CheckExtraValue(member, path, depth + 1));
      }
      return absl::OkStatus();
    case google::protobuf::Value::kListValue:
      for (const auto& element : value.list_value().values()) {
        LKT_RETURN_IF_ERROR(CheckExtraValue(element, path, depth + 1));
      }
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

// ASCII only: other letters, such as U+017F, equal ASCII ones under the case folding with which Go matches names.
// Short, since the name becomes part of an error's field path.
bool IsPlainName(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

absl::Status CheckExtraClaims(const google::protobuf::Struct& extra) {
  for (const auto& [name, value] : extra.fields()) {
    if (!IsPlainName(name)) {
      return RefuseField(v1::FIELD_INVALID, "extra_claims",
                         "has a name that is not 1 to 64 characters of printable ASCII");
    }
    const std::string path = "extra_claims." + name;
    LKT_RETURN_IF_ERROR(CheckExtraValue(value, path, 0));
    const ClaimObject* object = FindClaimObject(name);
    if (object == nullptr) {
      if (IsKnownClaim(name)) return RefuseField(v1::FIELD_INVALID, path, "is a claim that has a field of its own");
      continue;
    }
    if (object->name != name || !object->may_be_extended) {
      return RefuseField(v1::FIELD_INVALID, path, "is a claim that has a field of its own");
    }
    if (!value.has_struct_value()) return RefuseField(v1::FIELD_INVALID, path, "must be an object");
    for (const auto& [member, member_value] : value.struct_value().fields()) {
      if (!IsPlainName(member))
        return RefuseField(v1::FIELD_INVALID, path, "has a name that is not 1 to 64 characters of printable ASCII");
      if (IsKnownMember(*object, member)) {
        return RefuseField(v1::FIELD_INVALID, path + "." + member, "is a claim that has a field of its own");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<std::string_view>& ParticipantKinds() {
  static const auto* const names =
      new std::vector<std::string_view>{"standard", "ingress", "egress", "sip", "agent", "connector", "bridge"};
  return *names;
}

const std::vector<std::string_view>& KindDetails() {
  static const auto* const names = new std::vector<std::string_view>{
      "cloud_agent", "forwarded", "connector_whatsapp", "connector_twilio", "bridge_rtsp", "simulation"};
  return *names;
}

bool IsParticipantKind(std::string_view name) { return Contains(ParticipantKinds(), name); }
bool IsKindDetail(std::string_view name) { return Contains(KindDetails(), name); }
bool IsTrackSource(std::string_view name) {
  return name == "camera" || name == "microphone" || name == "screen_share" || name == "screen_share_audio";
}

absl::Status CheckGrants(const v1::Grants& grants) {
  if (grants.identity().size() > kMaxIdentityBytes) return TooLong("identity", kMaxIdentityBytes);
  if (grants.name().size() > kMaxNameBytes) return TooLong("name", kMaxNameBytes);
  if (grants.metadata().size() > kMaxMetadataBytes) return TooLong("metadata", kMaxMetadataBytes);
  std::size_t attribute_bytes = 0;
  for (const auto& [key, value] : grants.attributes()) attribute_bytes += key.size() + value.size();
  if (attribute_bytes > kMaxAttributesBytes) return TooLong("attributes", kMaxAttributesBytes);
  if (!grants.kind().empty() && !IsParticipantKind(grants.kind())) {
    return RefuseField(v1::FIELD_INVALID, "kind",
                       "is not one of standard, ingress, egress, sip, agent, connector, bridge");
  }
  for (int i = 0; i < grants.kind_details_size(); ++i) {
    if (!IsKindDetail(grants.kind_details(i))) {
      return RefuseField(v1::FIELD_INVALID, Indexed("kind_details", i), "is not a known kind detail");
    }
  }
  if (grants.has_video()) LKT_RETURN_IF_ERROR(CheckVideo(grants.video(), grants.identity()));
  if (!grants.sha256().empty() && !IsSha256Base64(grants.sha256())) {
    return RefuseField(v1::FIELD_INVALID, "sha256", "is not the padded base64 of a SHA-256");
  }
  if (grants.has_extra_claims()) LKT_RETURN_IF_ERROR(CheckExtraClaims(grants.extra_claims()));
  return absl::OkStatus();
}

}  // namespace livekit::token
