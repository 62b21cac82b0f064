#include "server/audit.h"

#include <algorithm>
#include <utility>

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
    Begin(name, 0);
    AppendLogString(value, text_);
  }
  // Of words, times and ids that are made here: nothing in them is to be escaped or redacted.
  void AddOwn(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    char* const to = Begin(name, value.size() + 2);
    *to = '"';
    *std::copy(value.begin(), value.end(), to + 1) = '"';
  }
  void Add(std::string_view name, int value) {
    if (value == 0) return;
    Begin(name, 0);
    text_.append(std::to_string(value));
  }
  std::string Take() {
    text_.push_back('}');
    return std::move(text_);
  }

 private:
  static constexpr std::size_t kUsual = 768;  // bytes

  // Writes the name, and makes room for a value of so many bytes, which it returns.
  char* Begin(std::string_view name, std::size_t size) {
    const std::size_t before = text_.size();
    text_.resize(before + name.size() + 4 + size);
    char* to = text_.data() + before;
    *to++ = before == 0 ? '{' : ',';
    *to++ = '"';
    to = std::copy(name.begin(), name.end(), to);
    *to++ = '"';
    *to++ = ':';
    return to;
  }

  std::string text_;
};

// A grant that is true or false.
struct VideoFlag {
  std::string_view name;
  bool (v1::VideoGrant::*get)() const;
};

// All of them, in the order of their numbers. Reflection would find them too, at a tenth of the cost of a token.
constexpr VideoFlag kVideoFlags[] = {
    {"room_create", &v1::VideoGrant::room_create},
    {"room_list", &v1::VideoGrant::room_list},
    {"room_record", &v1::VideoGrant::room_record},
    {"room_admin", &v1::VideoGrant::room_admin},
    {"room_join", &v1::VideoGrant::room_join},
    {"can_publish", &v1::VideoGrant::can_publish},
    {"can_subscribe", &v1::VideoGrant::can_subscribe},
    {"can_publish_data", &v1::VideoGrant::can_publish_data},
    {"can_update_own_metadata", &v1::VideoGrant::can_update_own_metadata},
    {"ingress_admin", &v1::VideoGrant::ingress_admin},
    {"hidden", &v1::VideoGrant::hidden},
    {"recorder", &v1::VideoGrant::recorder},
    {"agent", &v1::VideoGrant::agent},
    {"can_subscribe_metrics", &v1::VideoGrant::can_subscribe_metrics},
    {"can_manage_agent_session", &v1::VideoGrant::can_manage_agent_session},
};

constexpr std::size_t kUsualNames = 128;  // bytes

void AddName(std::string_view name, std::string& names) {
  if (!names.empty()) names.push_back(',');
  names.append(name);
}

}  // namespace

std::string SummarizeGrants(const v1::Grants& grants) {
  std::string names;
  names.reserve(kUsualNames);
  for (const VideoFlag& flag : kVideoFlags) {
    if ((grants.video().*flag.get)()) AddName(flag.name, names);
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
  line.AddOwn("ts", FormatLogTime(time));
  line.AddOwn("event", "audit");
  line.AddOwn("outcome", event.outcome);
  if (event.reason != v1::ERROR_REASON_UNSPECIFIED) line.AddOwn("reason", v1::ErrorReason_Name(event.reason));
  line.AddOwn("method", event.method);
  line.Add("request_id", event.request_id);
  line.AddOwn("trace_id", event.trace_id);
  line.Add("client", event.client);
  line.Add("caller", event.caller);
  line.Add("authenticator", event.authenticator);
  line.Add("principal", event.principal);
  line.Add("policy", event.policy);
  line.AddOwn("generation", event.generation);
  line.Add("project", event.project);
  line.Add("key_id", event.key_id);
  line.AddOwn("jti", event.jti);
  line.Add("identity", event.identity);
  line.Add("room", event.room);
  line.Add("grants", event.grants);
  line.Add("agents", event.agents);
  if (event.expire_time) line.AddOwn("expire_time", FormatLogTime(*event.expire_time));
  return line.Take();
}

}  // namespace livekit::token
