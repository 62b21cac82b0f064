#include "server/audit.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <utility>
#include <vector>

#include "base/text.h"
#include "server/admission.h"
#include "service/log_line.h"

namespace livekit::token {
namespace {

// Writes members in the order of kAuditFields, which they have to come in, and leaves out what is empty.
class Line {
 public:
  Line() { text_.reserve(kUsual); }

  void Add(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    Begin(name);
    AppendLogString(value, text_);
  }
  void Add(std::string_view name, int value) {
    if (value == 0) return;
    Begin(name);
    text_.append(std::to_string(value));
  }
  std::string Take() {
    text_.push_back('}');
    return std::move(text_);
  }

 private:
  static constexpr std::size_t kUsual = 768;  // bytes

  void Begin(std::string_view name) { text_.append(text_.empty() ? "{\"" : ",\"").append(name).append("\":"); }

  std::string text_;
};

void AddName(std::string_view name, std::string& names) {
  if (!names.empty()) names.push_back(',');
  names.append(name);
}

}  // namespace

std::string SummarizeGrants(const v1::Grants& grants) {
  // By reflection, so that a grant that LiveKit adds later is not forgotten here.
  std::string names;
  const auto& video = grants.video();
  const auto* reflection = v1::VideoGrant::GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(video, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_BOOL) continue;
    if (reflection->GetBool(video, field)) AddName(field->name(), names);
  }
  if (grants.has_sip()) AddName("sip", names);
  if (grants.has_agent()) AddName("agent", names);
  if (grants.has_inference()) AddName("inference", names);
  if (grants.has_observability()) AddName("observability", names);
  if (!grants.kind().empty()) AddName("kind=" + grants.kind(), names);
  if (!grants.room_preset().empty()) AddName("room_preset", names);
  if (grants.has_extra_claims()) AddName("extra_claims", names);
  return names;
}

void NoteToken(std::string_view project, std::string_view key_id, const v1::Grants& grants, std::string_view jti,
               Time expire_time, AuditEvent& event) {
  event.outcome = kIssued;
  event.project = project;
  event.key_id = key_id;
  event.jti = jti;
  event.identity = grants.identity();
  event.room = grants.video().room();
  event.grants = SummarizeGrants(grants);
  event.agents = AgentsIn(grants);
  event.expire_time = expire_time;
}

void HideNames(const jose::HmacSha256& key, AuditEvent& event) {
  constexpr std::size_t kBytes = 16;  // enough that no two names meet
  for (std::string* name : {&event.principal, &event.identity, &event.room}) {
    if (name->empty()) continue;
    unsigned char code[jose::HmacSha256::kSize];
    key.Sign(*name, code);
    *name = "hmac:" + Base64UrlEncode({reinterpret_cast<const char*>(code), kBytes});
  }
}

std::string FormatAuditEvent(const AuditEvent& event, Time time) {
  Line line;
  line.Add("ts", FormatLogTime(time));
  line.Add("event", "audit");
  line.Add("outcome", event.outcome);
  if (event.reason != v1::ERROR_REASON_UNSPECIFIED) line.Add("reason", v1::ErrorReason_Name(event.reason));
  line.Add("method", event.method);
  line.Add("request_id", event.request_id);
  line.Add("trace_id", event.trace_id);
  line.Add("client", event.client);
  line.Add("caller", event.caller);
  line.Add("authenticator", event.authenticator);
  line.Add("principal", event.principal);
  line.Add("policy", event.policy);
  line.Add("generation", event.generation);
  line.Add("project", event.project);
  line.Add("key_id", event.key_id);
  line.Add("jti", event.jti);
  line.Add("identity", event.identity);
  line.Add("room", event.room);
  line.Add("grants", event.grants);
  line.Add("agents", event.agents);
  if (event.expire_time) line.Add("expire_time", FormatLogTime(*event.expire_time));
  return line.Take();
}

}  // namespace livekit::token
