#include "claims_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "claim_names.h"
#include "protojson/writer.h"

namespace livekit::token {
namespace {

// Writes the members of JSON objects into one buffer and remembers the first field with bad text.
class ClaimsWriter {
 public:
  explicit ClaimsWriter(Buffer& out) : out_(out) {}

  void Open() { out_.Append("{"); }
  void Close() {
    if (out_.back() == ',') out_.pop_back();
    out_.Append("},");
  }
  // Ends the outermost object.
  void Finish() {
    Close();
    out_.pop_back();
  }
  void Key(const ClaimName& claim) { out_.Append(claim.key); }

  void String(const ClaimName& claim, std::string_view field, std::string_view value) {
    if (value.empty()) return;
    Key(claim);
    Text(field, value);
  }
  void Number(const ClaimName& claim, std::int64_t value) {
    Key(claim);
    constexpr std::size_t kMaxDigits = 20;
    char* to = out_.Extend(kMaxDigits + 1);
    to = std::to_chars(to, to + kMaxDigits, value).ptr;
    *to++ = ',';
    out_.Commit(to);
  }
  // A plain boolean: false is omitted.
  void Flag(const ClaimName& claim, bool value) {
    if (value) Bool(claim, true);
  }
  void Bool(const ClaimName& claim, bool value) {
    Key(claim);
    out_.Append(value ? "true," : "false,");
  }
  template <typename Strings>
  void List(const ClaimName& claim, std::string_view field, const Strings& values) {
    if (values.empty()) return;
    Key(claim);
    out_.Append("[");
    for (const auto& value : values) Text(field, value);
    out_.back() = ']';
    out_.Append(",");
  }
  // A string and a comma.
  void Text(std::string_view field, std::string_view value) {
    char* end = WriteJsonString(value, out_.Extend(JsonStringBound(value.size()) + 1));
    if (end == nullptr) {
      if (bad_field_.empty()) bad_field_ = field;
      end = out_.Extend(1);
    }
    *end++ = ',';
    out_.Commit(end);
  }
  void Name(std::string_view field, std::string_view name) {
    Text(field, name);
    out_.back() = ':';
  }
  void Message(const google::protobuf::Message& message, std::string_view field) {
    std::string text;
    if (!protojson::Append(message, text) && bad_field_.empty()) bad_field_ = field;
    out_.Append(text);
    out_.Append(",");
  }
  void Value(const google::protobuf::Value& value);

  // The members of `extra`, sorted; `field` is their place for errors.
  void Members(const google::protobuf::Struct& extra);

  std::string_view bad_field() const { return bad_field_; }

 private:
  Buffer& out_;
  std::string_view bad_field_;
};

// The entries of a protobuf map sorted by key, so that equal grants give equal claims.
template <typename Map>
auto Sorted(const Map& map) {
  std::vector<const typename Map::value_type*> entries;
  entries.reserve(map.size());
  for (const auto& entry : map) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  return entries;
}

void ClaimsWriter::Members(const google::protobuf::Struct& extra) {
  for (const auto* entry : Sorted(extra.fields())) {
    Name("extra_claims", entry->first);
    Value(entry->second);
  }
}

void ClaimsWriter::Value(const google::protobuf::Value& value) {
  switch (value.kind_case()) {
    case google::protobuf::Value::kStringValue:
      return Text("extra_claims", value.string_value());
    case google::protobuf::Value::kBoolValue:
      return out_.Append(value.bool_value() ? "true," : "false,");
    case google::protobuf::Value::kNumberValue: {
      // The shortest text that reads back as the same number; whole numbers without a fraction.
      const double number = value.number_value();
      const bool whole = std::trunc(number) == number && std::abs(number) < 9007199254740992.0;
      constexpr std::size_t kMaxDigits = 32;
      char* to = out_.Extend(kMaxDigits + 1);
      to = whole ? std::to_chars(to, to + kMaxDigits, static_cast<std::int64_t>(number)).ptr
                 : std::to_chars(to, to + kMaxDigits, number).ptr;
      *to++ = ',';
      return out_.Commit(to);
    }
    case google::protobuf::Value::kStructValue:
      Open();
      Members(value.struct_value());
      return Close();
    case google::protobuf::Value::kListValue:
      out_.Append("[");
      for (const auto& element : value.list_value().values()) Value(element);
      if (out_.back() == ',') out_.pop_back();
      return out_.Append("],");
    default:
      return out_.Append("null,");  // refused by CheckGrants
  }
}

void WriteVideo(const v1::VideoGrant& video, ClaimsWriter& w) {
  w.Flag(kRoomCreate, video.room_create());
  w.Flag(kRoomList, video.room_list());
  w.Flag(kRoomRecord, video.room_record());
  w.Flag(kRoomAdmin, video.room_admin());
  w.Flag(kRoomJoin, video.room_join());
  w.String(kRoom, "video.room", video.room());
  if (video.has_can_publish()) w.Bool(kCanPublish, video.can_publish());
  if (video.has_can_subscribe()) w.Bool(kCanSubscribe, video.can_subscribe());
  if (video.has_can_publish_data()) w.Bool(kCanPublishData, video.can_publish_data());
  w.List(kCanPublishSources, "video.can_publish_sources", video.can_publish_sources());
  if (video.has_can_update_own_metadata()) w.Bool(kCanUpdateOwnMetadata, video.can_update_own_metadata());
  w.Flag(kIngressAdmin, video.ingress_admin());
  w.Flag(kHidden, video.hidden());
  w.Flag(kRecorder, video.recorder());
  w.Flag(kAgent, video.agent());
  if (video.has_can_subscribe_metrics()) w.Bool(kCanSubscribeMetrics, video.can_subscribe_metrics());
  if (video.has_can_manage_agent_session()) w.Bool(kCanManageAgentSession, video.can_manage_agent_session());
  w.String(kDestinationRoom, "video.destination_room", video.destination_room());
}

void WriteSip(const v1::SipGrant& sip, ClaimsWriter& w) {
  // Older Rust and Swift decoders fail when one of the two is missing.
  w.Bool(kAdmin, sip.admin());
  w.Bool(kCall, sip.call());
}

void WriteAgent(const v1::AgentGrant& agent, ClaimsWriter& w) {
  w.Flag(kAdmin, agent.admin());
  w.Flag(kSimulationAdmin, agent.simulation_admin());
  w.Flag(kDatabaseAdmin, agent.database_admin());
}

void WriteInference(const v1::InferenceGrant& inference, ClaimsWriter& w) { w.Flag(kPerform, inference.perform()); }

void WriteObservability(const v1::ObservabilityGrant& observability, ClaimsWriter& w) {
  w.Flag(kWrite, observability.write());
}

// An object claim: the members of `grant`, then those that the extra claims, which may be null, add.
template <typename Grant>
inline void Object(const ClaimName& claim, bool present, const Grant& grant, void (*write)(const Grant&, ClaimsWriter&),
                   const google::protobuf::Struct* extra, ClaimsWriter& w) {
  const google::protobuf::Struct* added = nullptr;
  if (extra != nullptr) {
    const auto found = extra->fields().find(std::string(claim.name));
    if (found != extra->fields().end()) added = &found->second.struct_value();
  }
  if (!present && added == nullptr) return;
  w.Key(claim);
  w.Open();
  if (present) write(grant, w);
  if (added != nullptr) w.Members(*added);
  w.Close();
}

}  // namespace

void AppendIssuer(std::string_view issuer, Buffer& out) {
  ClaimsWriter w(out);
  w.Open();
  w.String(kIss, "api_key", issuer);
}

absl::Status AppendClaims(const RegisteredClaims& registered, const v1::Grants& grants,
                          const livekit::RoomConfiguration* room_config, Buffer& out) {
  ClaimsWriter w(out);
  w.String(kSub, "identity", grants.identity());
  w.Number(kIat, registered.issued_at);
  w.Number(kNbf, registered.issued_at);
  w.Number(kExp, registered.expires_at);
  w.String(kJti, "jti", registered.jti);
  w.String(kName, "name", grants.name());
  w.String(kKind, "kind", grants.kind());
  w.List(kKindDetails, "kind_details", grants.kind_details());
  const auto* extra = grants.has_extra_claims() ? &grants.extra_claims() : nullptr;
  Object(kVideo, grants.has_video(), grants.video(), WriteVideo, extra, w);
  Object(kSip, grants.has_sip(), grants.sip(), WriteSip, extra, w);
  Object(kAgent, grants.has_agent(), grants.agent(), WriteAgent, extra, w);
  Object(kInference, grants.has_inference(), grants.inference(), WriteInference, extra, w);
  Object(kObservability, grants.has_observability(), grants.observability(), WriteObservability, extra, w);
  if (room_config != nullptr) {
    w.Key(kRoomConfig);
    w.Message(*room_config, "room_config");
  }
  w.String(kRoomPreset, "room_preset", grants.room_preset());
  w.String(kSha256, "sha256", grants.sha256());
  w.String(kMetadata, "metadata", grants.metadata());
  if (!grants.attributes().empty()) {
    w.Key(kAttributes);
    w.Open();
    for (const auto* entry : Sorted(grants.attributes())) {
      w.Name("attributes", entry->first);
      w.Text("attributes", entry->second);
    }
    w.Close();
  }
  if (extra != nullptr) {
    for (const auto* entry : Sorted(extra->fields())) {
      if (FindClaimObject(entry->first) != nullptr) continue;  // merged above
      w.Name("extra_claims", entry->first);
      w.Value(entry->second);
    }
  }
  w.Finish();
  if (!w.bad_field().empty()) return RefuseField(v1::FIELD_INVALID, w.bad_field(), "is not UTF-8 text");
  return absl::OkStatus();
}

}  // namespace livekit::token
