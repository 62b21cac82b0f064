// An authority with two projects, every kind of caller and a clock that stands still.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/audit.h"
#include "server/authority.h"
#include "server_fixture.h"
#include "service/metrics.h"

namespace livekit::token::testing {

// Partners are end users with keys in x-api-key; programs are services with keys behind Bearer; there are guests.
inline constexpr char kServerYaml[] = R"(
projects:
  - name: main
    client_url: wss://main.example
    keys: { file: $DIR/main.keys, signing_key: APImain }
  - name: other
    client_url: wss://other.example
    keys: { file: $DIR/other.keys }
authenticators:
  - { name: partners, api_keys: { file: $DIR/partners.yaml } }
  - { name: programs, api_keys: { file: $DIR/programs.yaml, header: authorization } }
  - { name: guests, anonymous: {} }
policies:
  - name: partner
    match: { authenticator: partners }
    project: main
    room: { client: if_equal, value: "p-{subject}" }
    attributes: { client: allow }
    metadata: { client: allow }
    room_config: { client: allow, agents: ["*"], egress: true }
    grants: { can_publish: true, can_subscribe: true, can_publish_data: false }
    ttl: 5m
  - name: program
    match: { authenticator: programs }
    project: main
    room: { client: allow }
  - name: guest
    match: { authenticator: guests }
    project: other
    room: { client: allow, default: "room-{random}" }
    metadata: { client: forbid }
services:
  - { name: gateway, match: { authenticator: programs, subject: gateway }, projects: [main, other], relay: true }
  - name: recorder
    match: { authenticator: programs, subject: recorder }
    projects: [main]
    mint:
      rooms: ["acme_*"]
      identities: ["rec_*"]
      video: { room_join: true, hidden: true, can_subscribe: true }
      max_ttl: 1h
  - name: brief
    match: { authenticator: programs, subject: brief }
    projects: [main]
    mint: { rooms: ["*"], identities: ["*"], video: { room_join: true }, max_ttl: 1m }
  - name: root
    match: { authenticator: programs, subject: root }
    projects: [main, other]
    verify: true
    mint:
      rooms: ["*"]
      identities: ["*"]
      video: { room_join: true, room_create: true, can_publish: true, can_subscribe: true, can_publish_data: true }
      room_config: true
      extra_claims: true
      max_ttl: 8760h
  - { name: keeper, match: { authenticator: programs, subject: keeper }, projects: [other], verify: true }
  - name: vault
    match: { authenticator: programs, subject: vault }
    projects: [main]
    mint: { rooms: ["*"], identities: ["*"], video: { room_join: true }, room_config: true, sensitive_room_config: true }
)";

inline std::string LineOf(const AuditEvent& event, Time time) {
  Buffer line;
  AppendAuditEvent(event, time, line);
  return std::string(line.view());
}

// Keeps the events. Blocking, it answers when the test says so.
class KeptAudit final : public Audit {
 public:
  bool blocking() const override { return is_blocking; }
  void Record(std::span<const AuditEvent> recorded, Time time, std::function<void(bool)> done) override {
    std::unique_lock lock(mutex_);
    for (const AuditEvent& event : recorded) {
      events.push_back(event);
      lines += LineOf(event, time) + "\n";
    }
    if (is_blocking) {
      waiting.push_back(std::move(done));
    } else {
      lock.unlock();
      done(true);
    }
  }

  bool is_blocking = false;
  std::vector<AuditEvent> events;
  std::string lines;
  std::vector<std::function<void(bool)>> waiting;

 private:
  std::mutex mutex_;
};

class AuthorityFixture : public ::testing::Test {
 protected:
  AuthorityFixture() {
    dir_.Write("main.keys", std::string("APImain: ") + kMainSecret + "\nAPIspare: " + kSpareSecret + "\n");
    dir_.Write("other.keys", std::string("APIother: ") + kOtherSecret + "\n");
    dir_.Write("partners.yaml", KeyFile({"web", "app"}));
    dir_.Write("programs.yaml", KeyFile({"gateway", "recorder", "brief", "root", "keeper", "vault", "nothing"}));
    state_ = Build(kServerYaml);
    authority_ =
        std::make_unique<TokenAuthority>(state_, clock_, metrics_, AuthorityOptions{&audit_, "0123456789abcdef"});
  }

  std::shared_ptr<const AuthorityState> Build(const std::string& yaml) {
    BuildOptions options;
    options.environment = NoEnvironment();
    BuildResult built = BuildAuthorityState(ServerConfigOf(InDir(dir_, yaml)), options);
    EXPECT_EQ(FormatProblems("server.yaml", built.problems), "");
    return built.state;
  }

  static Credentials Bearer(const std::string& id) { return {{{"authorization", "Bearer " + KeyOf(id)}}}; }
  // A call of the program `id`; a guest's without one.
  static CallContext As(const std::string& id) {
    CallContext context;
    if (!id.empty()) context.credentials = Bearer(id);
    return context;
  }
  static CallContext AsCaller(const std::string& id) {
    CallContext context;
    context.caller = {{{std::string(kCallerHeader), "Bearer " + KeyOf(id)}}};
    return context;
  }
  static CallContext AsPartner(const std::string& id) {
    CallContext context;
    context.credentials = {{{"x-api-key", KeyOf(id)}}};
    return context;
  }

  // The one answer of a method, which must come before the method returns.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(void (TokenAuthority::*method)(const CallContext&, const Request&,
                                                               TokenAuthority::Done<Response>) const,
                                const CallContext& context, const Request& request) {
    absl::StatusOr<Response> result = absl::InternalError("not called");
    int calls = 0;
    (authority_.get()->*method)(context, request, [&](absl::StatusOr<Response> answer) {
      result = std::move(answer);
      ++calls;
    });
    EXPECT_EQ(calls, 1);
    return result;
  }

  auto Issue(const CallContext& context, const livekit::TokenSourceRequest& asked) {
    v1::IssueParticipantTokenRequest request;
    *request.mutable_request() = asked;
    return Call(&TokenAuthority::IssueParticipantToken, context, request);
  }
  auto BatchIssue(const CallContext& context, const v1::BatchIssueParticipantTokensRequest& request) {
    return Call(&TokenAuthority::BatchIssueParticipantTokens, context, request);
  }
  auto Mint(const CallContext& context, const v1::MintAccessTokenRequest& request) {
    return Call(&TokenAuthority::MintAccessToken, context, request);
  }
  auto BatchMint(const CallContext& context, const v1::BatchMintAccessTokensRequest& request) {
    return Call(&TokenAuthority::BatchMintAccessTokens, context, request);
  }
  auto Verify(const CallContext& context, const std::string& token,
              v1::VerifyAccessTokenRequest::Check check = v1::VerifyAccessTokenRequest::TOKEN) {
    v1::VerifyAccessTokenRequest request;
    request.set_token(token);
    request.set_check(check);
    return Call(&TokenAuthority::VerifyAccessToken, context, request);
  }

  static livekit::TokenSourceRequest InRoom(const std::string& room) {
    livekit::TokenSourceRequest request;
    request.set_room_name(room);
    return request;
  }
  static v1::MintAccessTokenRequest Join(const std::string& identity, const std::string& room,
                                         const std::string& project = "") {
    v1::MintAccessTokenRequest request;
    request.set_project(project);
    request.mutable_grants()->set_identity(identity);
    request.mutable_grants()->mutable_video()->set_room_join(true);
    request.mutable_grants()->mutable_video()->set_room(room);
    return request;
  }

  // The value of a series in the text of the metrics; -1 if there is none.
  double Metric(const std::string& series) const {
    const std::string text = "\n" + metrics_.Serialize();
    const std::size_t at = text.find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
  }

  TempDir dir_;
  FakeClock clock_;
  Metrics metrics_;
  KeptAudit audit_;
  std::shared_ptr<const AuthorityState> state_;
  std::unique_ptr<TokenAuthority> authority_;
};

}  // namespace livekit::token::testing
