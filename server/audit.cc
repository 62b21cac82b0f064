#include "server/audit.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <vector>

#include "service/log_line.h"

namespace livekit::token {
namespace {

// Writes members in the order of kAuditFields, which they have to come in, and leaves out what is empty.
class Line {
 public:
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

std::string FormatAuditEvent(const AuditEvent& event, Time time, const NameHash& hash) {
  const auto named = [&](const std::string& name) { return hash != nullptr && !name.empty() ? hash(name) : name; };
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
  line.Add("principal", named(event.principal));
  line.Add("policy", event.policy);
  line.Add("generation", event.generation);
  line.Add("project", event.project);
  line.Add("key_id", event.key_id);
  line.Add("jti", event.jti);
  line.Add("identity", named(event.identity));
  line.Add("room", named(event.room));
  line.Add("grants", event.grants);
  line.Add("agents", event.agents);
  if (event.expire_time) line.Add("expire_time", FormatLogTime(*event.expire_time));
  return line.Take();
}

}  // namespace livekit::token
