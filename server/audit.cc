#include "server/audit.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "server/admission.h"
#include "service/log_line.h"

namespace livekit::token {
namespace {

// Writes members in the order of kAuditFields, which they have to come in, and leaves out what is empty.
class Line {
 public:
  explicit Line(Buffer& out) : out_(out) {}

  template <std::size_t Size>
  void Add(const char (&name)[Size], std::string_view value) {
    if (IsPlainLogString(value)) return AddOwn(name, value);
    std::string text;
    AppendLogString(value, text);
    out_.Commit(std::copy(text.begin(), text.end(), Begin(name, text.size())));
  }
  // Of words, times and ids that are made here: nothing in them is to be escaped or redacted.
  template <std::size_t Size>
  void AddOwn(const char (&name)[Size], std::string_view value) {
    if (value.empty()) return;
    char* to = Begin(name, value.size() + 2);
    *to++ = '"';
    to = std::copy(value.begin(), value.end(), to);
    *to++ = '"';
    out_.Commit(to);
  }
  template <std::size_t Size>
  void Add(const char (&name)[Size], Time time) {
    const auto text = FormatLogTime(time);
    AddOwn(name, {text.data(), text.size()});
  }
  template <std::size_t Size>
  void Add(const char (&name)[Size], int value) {
    if (value == 0) return;
    constexpr std::size_t kMaxDigits = 11;
    char* const to = Begin(name, kMaxDigits);
    out_.Commit(std::to_chars(to, to + kMaxDigits, value).ptr);
  }
  void End() { out_.Append("}"); }

 private:
  // Writes the name, whose size the compiler knows, and returns a place for a value of so many bytes.
  template <std::size_t Size>
  char* Begin(const char (&name)[Size], std::size_t value) {
    char* to = out_.Extend(Size + 3 + value);
    *to++ = std::exchange(before_, ',');
    *to++ = '"';
    to = std::copy_n(name, Size - 1, to);
    *to++ = '"';
    *to++ = ':';
    return to;
  }

  Buffer& out_;
  char before_ = '{';
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

void AppendAuditEvent(const AuditEvent& event, Time time, Buffer& out) {
  Line line(out);
  line.Add("ts", time);
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
  if (event.expire_time) line.Add("expire_time", *event.expire_time);
  line.End();
}

}  // namespace livekit::token
