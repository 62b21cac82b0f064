#include "server/ceiling.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

bool MatchesAny(const std::vector<std::string>& globs, std::string_view text) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) { return GlobMatches(glob, text); });
}

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

absl::Status NotPermitted(std::string_view field) {
  return RefuseField(v1::GRANT_NOT_PERMITTED, field, "exceeds what the calling program may mint");
}

// The boolean fields of a message type: every one, so that a new one cannot be forgotten.
template <typename Message>
const std::vector<const google::protobuf::FieldDescriptor*>& Flags() {
  static const auto* const flags = [] {
    auto* found = new std::vector<const google::protobuf::FieldDescriptor*>;
    const auto* descriptor = Message::descriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const auto* field = descriptor->field(i);
      if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_BOOL && !field->is_repeated()) {
        found->push_back(field);
      }
    }
    return found;
  }();
  return *flags;
}

// Refuses the first boolean that is asked for beyond the ceiling.
template <typename Message>
absl::Status CheckFlags(const Message& asked, const Message& ceiling, std::string_view place) {
  static const auto* const reflection = Message::GetReflection();
  for (const auto* flag : Flags<Message>()) {
    if (reflection->GetBool(asked, flag) && !reflection->GetBool(ceiling, flag)) {
      return NotPermitted(std::string(place) + "." + flag->name());
    }
  }
  return absl::OkStatus();
}

// The sources that may be published: those asked for that the ceiling has; an empty list means all on either side.
// Sets `none` when nothing is left.
std::vector<std::string> IntersectSources(const v1::VideoGrant& asked, const v1::VideoGrant& ceiling, bool& none) {
  const std::vector<std::string> wanted(asked.can_publish_sources().begin(), asked.can_publish_sources().end());
  const std::vector<std::string> permitted(ceiling.can_publish_sources().begin(), ceiling.can_publish_sources().end());
  none = false;
  if (permitted.empty()) return wanted;
  if (wanted.empty()) return permitted;
  std::vector<std::string> both;
  for (const auto& source : wanted) {
    if (Contains(permitted, source)) both.push_back(source);
  }
  none = both.empty();
  return both;
}

absl::Status ApplyToVideo(const MintCeiling& ceiling, v1::VideoGrant& video) {
  const v1::VideoGrant& most = ceiling.video;
  LKT_RETURN_IF_ERROR(CheckFlags(video, most, "video"));
  const auto check_room = [&](const std::string& room, std::string_view field) {
    if (room.empty() || MatchesAny(ceiling.rooms, room)) return absl::OkStatus();
    return RefuseField(v1::ROOM_NOT_PERMITTED, field, "is not a room that the calling program may use");
  };
  LKT_RETURN_IF_ERROR(check_room(video.room(), "video.room"));
  LKT_RETURN_IF_ERROR(check_room(video.destination_room(), "video.destination_room"));

  // What LiveKit makes of the request, before anything is written.
  const bool wants_publish = !video.has_can_publish() || video.can_publish();
  const bool wants_data = video.has_can_publish_data() ? video.can_publish_data() : wants_publish;
  const bool wants_subscribe = !video.has_can_subscribe() || video.can_subscribe();

  bool publishes = wants_publish && most.can_publish();
  if (publishes) {
    bool none = false;
    const auto sources = IntersectSources(video, most, none);
    video.clear_can_publish_sources();
    for (const auto& source : sources) video.add_can_publish_sources(source);
    if (none) publishes = false;
  }
  if (!publishes) {
    if (wants_publish) video.set_can_publish(false);
    video.clear_can_publish_sources();
  }
  if (wants_subscribe && !most.can_subscribe()) video.set_can_subscribe(false);
  // Unstated, it would follow can_publish, which may just have become false.
  if (!video.has_can_publish_data()) {
    const bool sends_data = wants_data && most.can_publish_data();
    if (!most.can_publish_data() || sends_data != publishes) video.set_can_publish_data(sends_data);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ApplyCeiling(const MintCeiling& ceiling, v1::Grants& grants) {
  if (!grants.identity().empty() && !MatchesAny(ceiling.identities, grants.identity())) {
    return RefuseField(v1::IDENTITY_NOT_PERMITTED, "identity", "is not an identity that the calling program may use");
  }
  if (!grants.kind().empty() && !Contains(ceiling.kinds, grants.kind())) return NotPermitted("kind");
  for (int i = 0; i < grants.kind_details_size(); ++i) {
    if (!Contains(ceiling.kind_details, grants.kind_details(i))) {
      return NotPermitted("kind_details[" + std::to_string(i) + "]");
    }
  }
  if (grants.has_video()) LKT_RETURN_IF_ERROR(ApplyToVideo(ceiling, *grants.mutable_video()));
  if (grants.has_sip()) LKT_RETURN_IF_ERROR(CheckFlags(grants.sip(), ceiling.sip, "sip"));
  if (grants.has_agent()) LKT_RETURN_IF_ERROR(CheckFlags(grants.agent(), ceiling.agent, "agent"));
  if (grants.has_inference()) LKT_RETURN_IF_ERROR(CheckFlags(grants.inference(), ceiling.inference, "inference"));
  if (grants.has_observability()) {
    LKT_RETURN_IF_ERROR(CheckFlags(grants.observability(), ceiling.observability, "observability"));
  }
  if (grants.has_room_config() && !ceiling.room_config) return NotPermitted("room_config");
  if (!grants.room_preset().empty() && !MatchesAny(ceiling.room_presets, grants.room_preset())) {
    return NotPermitted("room_preset");
  }
  if (!grants.sha256().empty() && !ceiling.sha256) return NotPermitted("sha256");
  if (grants.extra_claims().fields_size() > 0 && !ceiling.extra_claims) return NotPermitted("extra_claims");
  return absl::OkStatus();
}

}  // namespace livekit::token
