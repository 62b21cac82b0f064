#include "claims_reader.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "claim_names.h"
#include "jose/json.h"
#include "protojson/reader.h"

namespace livekit::token {
namespace {

using nlohmann::json;

// Gives access to an object's members by name without regard to case, and remembers what went wrong.
class ClaimsReader {
 public:
  explicit ClaimsReader(const json& object) : object_(object) {}

  // The member, or null if it is absent or null. Two members whose names differ only in case would mean that other
  // decoders see another token.
  const json* Find(const ClaimName& claim) {
    const json* found = nullptr;
    int count = 0;
    for (auto it = object_.begin(); it != object_.end(); ++it) {
      if (!EqualFold(it.key(), claim.name)) continue;
      ++count;
      if (!it->is_null()) found = &*it;
    }
    if (count > 1) failed_ = true;
    return found;
  }

  std::string String(const ClaimName& claim) {
    const json* value = Find(claim);
    if (value == nullptr) return {};
    if (!value->is_string()) {
      failed_ = true;
      return {};
    }
    return value->get<std::string>();
  }

  std::optional<bool> Bool(const ClaimName& claim) {
    const json* value = Find(claim);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) {
      failed_ = true;
      return std::nullopt;
    }
    return value->get<bool>();
  }

  bool Flag(const ClaimName& claim) { return Bool(claim).value_or(false); }

  // A time in seconds; fractions are cut off (RFC 7519 section 2, NumericDate).
  std::optional<std::int64_t> Seconds(const ClaimName& claim) {
    const json* value = Find(claim);
    if (value == nullptr) return std::nullopt;
    // Beyond this the time arithmetic of verifiers overflows; it is the year 142,000.
    constexpr double kMax = 1LL << 42;
    if (!value->is_number() || !(std::abs(value->get<double>()) < kMax)) {
      failed_ = true;
      return std::nullopt;
    }
    return static_cast<std::int64_t>(std::floor(value->get<double>()));
  }

  template <typename Add>
  void Strings(const ClaimName& claim, Add add) {
    const json* value = Find(claim);
    if (value == nullptr) return;
    if (!value->is_array()) {
      failed_ = true;
      return;
    }
    for (const json& element : *value) {
      if (element.is_string()) {
        add(element.get<std::string>());
      } else {
        failed_ = true;
      }
    }
  }

  // A member object, or null.
  const json* Object(const ClaimName& claim) {
    const json* value = Find(claim);
    if (value == nullptr) return nullptr;
    if (!value->is_object()) {
      failed_ = true;
      return nullptr;
    }
    return value;
  }

  void Fail() { failed_ = true; }
  bool failed() const { return failed_; }

 private:
  const json& object_;
  bool failed_ = false;
};

void ReadVideo(ClaimsReader& r, v1::VideoGrant& video) {
  video.set_room_create(r.Flag(kRoomCreate));
  video.set_room_list(r.Flag(kRoomList));
  video.set_room_record(r.Flag(kRoomRecord));
  video.set_room_admin(r.Flag(kRoomAdmin));
  video.set_room_join(r.Flag(kRoomJoin));
  video.set_room(r.String(kRoom));
  if (auto value = r.Bool(kCanPublish)) video.set_can_publish(*value);
  if (auto value = r.Bool(kCanSubscribe)) video.set_can_subscribe(*value);
  if (auto value = r.Bool(kCanPublishData)) video.set_can_publish_data(*value);
  r.Strings(kCanPublishSources, [&](std::string source) { video.add_can_publish_sources(std::move(source)); });
  if (auto value = r.Bool(kCanUpdateOwnMetadata)) video.set_can_update_own_metadata(*value);
  video.set_ingress_admin(r.Flag(kIngressAdmin));
  video.set_hidden(r.Flag(kHidden));
  video.set_recorder(r.Flag(kRecorder));
  video.set_agent(r.Flag(kAgent));
  if (auto value = r.Bool(kCanSubscribeMetrics)) video.set_can_subscribe_metrics(*value);
  if (auto value = r.Bool(kCanManageAgentSession)) video.set_can_manage_agent_session(*value);
  video.set_destination_room(r.String(kDestinationRoom));
}

void ReadSip(ClaimsReader& r, v1::SipGrant& sip) {
  sip.set_admin(r.Flag(kAdmin));
  sip.set_call(r.Flag(kCall));
}

void ReadAgent(ClaimsReader& r, v1::AgentGrant& agent) {
  agent.set_admin(r.Flag(kAdmin));
  agent.set_simulation_admin(r.Flag(kSimulationAdmin));
  agent.set_database_admin(r.Flag(kDatabaseAdmin));
}

void ReadInference(ClaimsReader& r, v1::InferenceGrant& inference) { inference.set_perform(r.Flag(kPerform)); }

void ReadObservability(ClaimsReader& r, v1::ObservabilityGrant& observability) {
  observability.set_write(r.Flag(kWrite));
}

template <typename Grant>
void ReadObject(ClaimsReader& top, const ClaimName& claim, void (*read)(ClaimsReader&, Grant&),
                Grant* (v1::Grants::*mutable_grant)(), v1::Grants& grants) {
  const json* object = top.Object(claim);
  if (object == nullptr) return;
  ClaimsReader members(*object);
  read(members, *(grants.*mutable_grant)());
  if (members.failed()) top.Fail();
}

void ReadAttributes(ClaimsReader& top, v1::Grants& grants) {
  const json* object = top.Object(kAttributes);
  if (object == nullptr) return;
  for (auto it = object->begin(); it != object->end(); ++it) {
    // Go's decoder reads null into a string as the empty string.
    if (!it->is_string() && !it->is_null()) return top.Fail();
    (*grants.mutable_attributes())[it.key()] = it->is_null() ? std::string() : it->get<std::string>();
  }
}

void ReadRoomConfig(ClaimsReader& top, v1::Grants& grants) {
  const json* object = top.Object(kRoomConfig);
  if (object == nullptr) return;
  protojson::ReadOptions options;
  options.ignore_unknown_enum_names = true;  // as protojson does with DiscardUnknown in livekit-server
  if (!protojson::Read(object->dump(), options, *grants.mutable_room_config()).ok()) top.Fail();
}

// A claim that Grants does not know, kept for the reader of the verdict.
google::protobuf::Value ToValue(const json& value) {
  google::protobuf::Value out;
  switch (value.type()) {
    case json::value_t::string:
      out.set_string_value(value.get<std::string>());
      break;
    case json::value_t::boolean:
      out.set_bool_value(value.get<bool>());
      break;
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float:
      out.set_number_value(value.get<double>());
      break;
    case json::value_t::object:
      out.mutable_struct_value();
      for (auto it = value.begin(); it != value.end(); ++it) {
        (*out.mutable_struct_value()->mutable_fields())[it.key()] = ToValue(*it);
      }
      break;
    case json::value_t::array:
      out.mutable_list_value();
      for (const json& element : value) *out.mutable_list_value()->add_values() = ToValue(element);
      break;
    default:
      out.set_null_value(google::protobuf::NULL_VALUE);
  }
  return out;
}

void ReadExtraClaims(const json& object, v1::Grants& grants) {
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (FindClaimObject(it.key()) != nullptr || IsKnownClaim(it.key())) continue;
    (*grants.mutable_extra_claims()->mutable_fields())[it.key()] = ToValue(*it);
  }
}

}  // namespace

std::optional<std::string> PeekIssuer(std::string_view payload) {
  const auto object = jose::ParseJsonObject(payload);
  if (!object) return std::nullopt;
  ClaimsReader reader(*object);
  std::string issuer = reader.String(kIss);
  if (reader.failed()) return std::nullopt;
  return issuer;
}

ClaimsVerdict ReadClaims(std::string_view payload, Claims& claims) {
  const auto object = jose::ParseJsonObject(payload);
  if (!object) return ClaimsVerdict::kMalformed;
  ClaimsReader r(*object);
  v1::Grants& grants = claims.grants;
  claims.issuer = r.String(kIss);
  claims.jti = r.String(kJti);
  claims.issued_at = r.Seconds(kIat);
  claims.not_before = r.Seconds(kNbf);
  claims.expires_at = r.Seconds(kExp);
  grants.set_identity(r.String(kSub));
  if (grants.identity().empty()) grants.set_identity(claims.jti);
  r.String(kIdentity);  // overwritten by the server, but its type matters
  grants.set_name(r.String(kName));
  grants.set_kind(r.String(kKind));
  r.Strings(kKindDetails, [&](std::string detail) { grants.add_kind_details(std::move(detail)); });
  grants.set_metadata(r.String(kMetadata));
  grants.set_sha256(r.String(kSha256));
  grants.set_room_preset(r.String(kRoomPreset));
  ReadAttributes(r, grants);
  ReadObject(r, kVideo, ReadVideo, &v1::Grants::mutable_video, grants);
  ReadObject(r, kSip, ReadSip, &v1::Grants::mutable_sip, grants);
  ReadObject(r, kAgent, ReadAgent, &v1::Grants::mutable_agent, grants);
  ReadObject(r, kInference, ReadInference, &v1::Grants::mutable_inference, grants);
  ReadObject(r, kObservability, ReadObservability, &v1::Grants::mutable_observability, grants);
  ReadRoomConfig(r, grants);
  if (r.failed()) return ClaimsVerdict::kInvalid;
  ReadExtraClaims(*object, grants);
  return ClaimsVerdict::kOk;
}

}  // namespace livekit::token
