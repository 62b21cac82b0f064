// P11: secrets where they belong and where they do not, through every door, at log level debug. None may come out
// again: in logs, audit files and other output (which Program looks at), answers, metrics, pages of the admin listener
// or /proc.

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/secret.h"
#include "base/status.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "http/server.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "nlohmann/json.hpp"
#include "support/certificate.h"
#include "support/jwt_signer.h"
#include "support/leaks.h"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using namespace testing;  // NOLINT: the helpers of tests/support

// A new secret that no program may show.
std::string Plant(const std::string& what) {
  std::string random(24, '\0');
  RandomBytes(random.data(), random.size());
  std::string secret = what + HexEncode(random);
  PlantSecret(secret);
  return secret;
}

// A service that is asked about credentials and says in its answer what it was asked.
class Echo final : public http::Handler {
 public:
  Echo() {
    http::ServerOptions options;
    options.address = "127.0.0.1:0";
    options.body_paths = {"/introspect"};
    auto started = http::Server::Start(std::move(options), *this);
    EXPECT_TRUE(started.ok());
    if (started.ok()) server_ = *std::move(started);
  }
  std::string Url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + path;
  }
  void Handle(const http::Request& request, http::Respond respond) override {
    std::string all = request.body;
    for (const auto& header : request.headers) all.append(" ").append(header.value);
    const int turn = turn_++ % 4;
    http::Response response;
    response.status = turn == 0 ? 500 : 200;
    response.content_type = "application/json";
    response.headers.push_back({"x-echo", all});
    response.body = turn == 1 ? all
                    : turn == 2
                        ? json{{"active", all}, {"user", all}}.dump()
                        : json{{"active", true}, {"sub", "ann"}, {"user", {{"id", "ann"}, {"all", all}}}}.dump();
    respond(std::move(response));
  }
  http::Response Refuse(const http::Request& /*request*/, v1::ErrorReason reason) override {
    http::Response response;
    response.status = GetReasonInfo(reason).http_status;
    return response;
  }

 private:
  std::atomic<int> turn_{0};
  std::unique_ptr<http::Server> server_;
};

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The line about core dumps among the limits of a process.
std::string CoreLimits(const std::string& pid) {
  std::stringstream limits(Read("/proc/" + pid + "/limits"));
  for (std::string line; std::getline(limits, line);) {
    if (line.rfind("Max core file size ", 0) == 0) return line;
  }
  return {};
}

// The one place for which there is no help: a request's id is there to be logged, and anything may be one.
bool IsGoodRequestId(std::string_view header, std::string_view value) {
  return AsciiLower(std::string(header)) == "x-request-id" && IsRequestId(value);
}

class Secrets : public ::testing::Test {
 protected:
  Secrets() {
    folder_.Write("keys.yaml", "APIkey: " + signing_ + "\n");
    folder_.Write("tickets.secret", ticket_secret_);
    folder_.Write("client.secret", client_secret_);
    folder_.Write("hmac.key", hmac_);
    folder_.Write("users.yaml", "keys:\n" + HashLine("alice", user_));
    folder_.Write("programs.yaml", "keys:\n" + HashLine("gateway", caller_) + HashLine("recorder", recorder_));
    folder_.Write("gateway.key", "gateway." + caller_ + "\n");
    const CertificateFiles files = WriteCertificate(folder_, "tls");
    std::stringstream pem(Read(files.key_file));
    for (std::string line; std::getline(pem, line);) {
      if (line.size() >= 16 && line[0] != '-') PlantSecret(line);
    }
    const SigningKey key = SigningKey::Hmac(ticket_secret_);
    ticket_ = MakeJwt(R"({"alg":"HS256","typ":"JWT"})",
                      R"({"iss":"https://tickets.example/","aud":"calls","sub":"bob","exp":4000000000})", key,
                      jose::Algorithm::kHs256);
    PlantSecret(ticket_);
    all_ = {signing_, ticket_secret_, client_secret_,      hmac_, "alice." + user_, "recorder." + recorder_, ticket_,
            cookie_,  opaque_,        "gateway." + caller_};
  }

  static std::string HashLine(const std::string& id, const std::string& secret) {
    return RunProgram("livekit-token-server", {"--hash_api_key", id}, {}, secret + "\n").output;
  }

  std::string Config(const std::string& keys, const std::string& gateway) const {
    const std::string in = folder_.path() + "/";
    return "listen: { grpc: \"127.0.0.1:0\", admin: \"127.0.0.1:0\" }\nlog_level: debug\nreflection: true\n"
           "audit: { file: \"" +
           audit_ + "\", hash_names: " + (hash_names_ ? "true" : "false") +
           " }\n"
           "hmac_key_file: " +
           in +
           "hmac.key\nprojects:\n"
           "  - { name: main, client_url: \"wss://livekit.example\", keys: { " +
           keys +
           " } }\n"
           "authenticators:\n"
           "  - { name: users, api_keys: { file: " +
           in +
           "users.yaml } }\n"
           "  - { name: programs, api_keys: { file: " +
           in +
           "programs.yaml, header: authorization } }\n"
           "  - { name: tickets, jwt: { issuer: \"https://tickets.example/\", audiences: [calls], header: x-ticket, "
           "hs256_secret_file: " +
           in +
           "tickets.secret } }\n"
           "  - { name: opaque, oauth2_introspection: { url: \"" +
           echo_.Url("/introspect") +
           "\", allow_http: true, "
           "client_id: calls, header: x-opaque, cache_ttl: 0s, client_secret_file: " +
           in +
           "client.secret } }\n"
           "  - { name: session, forward_auth: { url: \"" +
           echo_.Url("/session") +
           "\", allow_http: true, "
           "forward_cookies: [session], subject: { json: user.id }, claims: { json: user } } }\n"
           "policies:\n"
           "  - name: users\n    match: { authenticator: users }\n"
           "    room: { client: allow, pattern: \"r[0-9]+\" }\n"
           "    metadata: { client: allow, max_bytes: 1000 }\n    attributes: { client: allow, keys: [a] }\n"
           "    grants: { can_publish: true, can_subscribe: true, can_publish_data: true }\n"
           "  - { name: t, extends: users, match: { authenticator: tickets } }\n"
           "  - { name: o, extends: users, match: { authenticator: opaque } }\n"
           "  - { name: s, extends: users, match: { authenticator: session } }\n"
           "services:\n"
           "  - { name: gateway, match: { authenticator: programs, subject: gateway }, relay: true }\n"
           "  - name: recorder\n    match: { authenticator: programs, subject: recorder }\n"
           "    mint: { rooms: [\"acme_*\"], identities: [\"rec_*\"], video: { room_join: true } }\n"
           "    verify: true\n    explain: true\n" +
           gateway;
  }
  static std::string GatewayConfig() {
    return "relay_headers: [authorization, x-api-key, x-ticket, x-opaque]\nrelay_cookies: [session]\nsandbox: true\n"
           "cors: { origins: [\"https://app.acme.dev\"] }\n";
  }

  Program& Start(const std::string& name, std::vector<std::string> args,
                 std::map<std::string, std::string> environment = {}) {
    environment.emplace("LIVEKIT_URL", "wss://control.example");
    programs_.push_back(std::make_unique<Program>(name, std::move(args), std::move(environment)));
    return *programs_.back();
  }

  void StartBoth() {
    config_ = folder_.Write("server.yaml", Config("file: " + folder_.path() + "/keys.yaml", ""));
    Program& server = Start("livekit-token-server", {"--config=" + config_});
    grpc_ = server.AwaitPort("grpc");
    ASSERT_NE(grpc_, 0) << server.Output();
    const std::string path = folder_.Write("gateway.yaml", "log_level: debug\n" + GatewayConfig());
    Program& gateway = Start("livekit-token-gateway",
                             {"--config=" + path, "--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0",
                              "--server_address=127.0.0.1:" + std::to_string(grpc_),
                              "--caller_token_file=" + folder_.path() + "/gateway.key"},
                             // By mistake; it has no use for it.
                             {{"LIVEKIT_API_SECRET", signing_}});
    http_ = gateway.AwaitPort("http");
    ASSERT_NE(http_, 0) << gateway.Output();
  }
  void StartStandalone(std::vector<std::string> flags = {}, const std::string& key_id = "APIkey",
                       const std::string& url = "wss://control.example") {
    std::stringstream section(GatewayConfig());
    std::string gateway = "gateway:\n  listen: { http: \"127.0.0.1:0\" }\n";
    for (std::string line; std::getline(section, line);) gateway += "  " + line + "\n";
    config_ = folder_.Write("token.yaml", Config("env: true", gateway));
    flags.push_back("--config=" + config_);
    Program& program = Start("livekit-token-standalone", std::move(flags),
                             {{"LIVEKIT_API_KEY", key_id}, {"LIVEKIT_API_SECRET", signing_}, {"LIVEKIT_URL", url}});
    http_ = program.AwaitPort("http");
    ASSERT_NE(http_, 0) << program.Output();
    grpc_ = program.AwaitPort("grpc");
  }

  // Sends the bytes and keeps what is told. Good answers hold a token, which is planted from then on.
  int Send(const std::string& bytes) {
    RawClient client(http_);
    const auto response = client.Exchange(bytes);
    if (!response) return 0;
    if (response->status == 201) {
      json body = json::parse(response->body);
      token_ = body["participant_token"].get<std::string>();
      body.erase("participant_token");
      told_ += body.dump() + "\n";
    } else {
      told_ += response->body + "\n";
    }
    for (const auto& [name, value] : response->headers) told_ += name + ": " + value + "\n";
    return response->status;
  }
  int Post(const std::string& headers, const std::string& body = R"({"room_name":"r1"})") {
    return Send(PostRequest("/getToken", body, headers));
  }

  // Every request of clients who have confused something.
  void SendMisplaced(const std::string& secret) {
    for (const std::string& line :
         {"POST /" + secret + " HTTP/1.1", "POST /getToken/" + secret + " HTTP/1.1",
          "POST /getToken?token=" + secret + " HTTP/1.1", "GET /getToken?" + secret + " HTTP/1.1",
          secret + " /getToken HTTP/1.1", "POST /getToken " + secret, "POST http://" + secret + "/getToken HTTP/1.1",
          "POST /getToken#" + secret + " HTTP/1.1", "POST /%" + secret + " HTTP/1.1", secret}) {
      Send(line + "\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}");
    }
    Send("POST /getToken HTTP/1.1\r\nHost: " + secret + "\r\nContent-Length: 2\r\n\r\n{}");
    for (const char* name : {"Authorization",
                             "Origin",
                             "X-Request-Id",
                             "traceparent",
                             "tracestate",
                             "User-Agent",
                             "Referer",
                             "Cookie",
                             "X-Api-Key",
                             "X-Ticket",
                             "X-Opaque",
                             "X-Caller-Authorization",
                             "X-Sandbox-ID",
                             "X-Forwarded-For",
                             "Forwarded",
                             "Content-Type",
                             "Content-Encoding",
                             "Transfer-Encoding",
                             "Expect",
                             "Connection",
                             "Upgrade",
                             "Accept",
                             "Access-Control-Request-Headers",
                             "X-Auth-Request-User",
                             "Range",
                             "Proxy-Authorization",
                             "X-Other"}) {
      for (const char* before : {"", "Bearer ", "Basic ", "https://", "session=", "00-", "a="}) {
        if (IsGoodRequestId(name, before + secret)) continue;
        const std::string header = std::string(name) + ": " + before + secret + "\r\n";
        Post(header);
        if (*before == '\0') Post(user_header() + header);
      }
    }
    Post("Content-Length: " + secret + "\r\n");
    Post(secret + ": x\r\n");
    Post(secret + "\r\n");
    Post("X-Other: a\r\n " + secret + "\r\n");
    Post("Authorization: Bearer " + secret + "\r\nAuthorization: Bearer " + secret + "\r\n");
    Post(user_header() + "X-Ticket: " + secret + "\r\n");
    for (const char* name : {"room_name", "participant_identity", "participant_name", "roomName"}) {
      Post(user_header(), json{{name, secret}}.dump());
    }
    for (const json& body :
         {json{{secret, 1}}, json(secret), json{{"room_name", {{secret, secret}}}}, json{{"room_name", {secret}}},
          json{{"room_name", "r1"}, {"participant_metadata", secret}},
          json{{"room_name", "r1"}, {"participant_metadata", {{secret, 1}}}},
          json{{"room_name", "r1"}, {"participant_attributes", {{"a", secret}}}},
          json{{"room_name", "r1"}, {"participant_attributes", {{secret, "x"}}}},
          json{{"room_name", "r1"}, {"room_config", secret}}, json{{"room_name", "r1"}, {"room_config", {{secret, 1}}}},
          json{{"room_name", "r1"}, {"room_config", {{"name", secret}}}},
          json{{"room_name", "r1"}, {"room_config", {{"metadata", secret}}}},
          json{{"room_name", "r1"}, {"room_config", {{"empty_timeout", secret}}}},
          json{{"room_name", "r1"}, {"room_config", {{"agents", {{{"agent_name", secret}, {"metadata", secret}}}}}}},
          json{{"room_name", "r1"},
               {"room_config", {{"egress", {{"tracks", {{"s3", {{"secret", secret}, {"bucket", secret}}}}}}}}}}}) {
      Post(user_header(), body.dump());
    }
    for (const std::string& body : {"{\"" + secret, secret, "{\"a\":" + secret + "}", "{\"room_name\":\"" + secret,
                                    "{\"" + secret + "\":1,\"" + secret + "\":2}", "{} " + secret}) {
      Post(user_header(), body);
    }
  }

  std::string user_header() const { return "X-Api-Key: alice." + user_ + "\r\n"; }

  template <typename Request, typename Response>
  bool Call(grpc::Status (v1::TokenService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
            const Request& request, Response& response, const std::string& header = "", const std::string& value = "") {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    if (!header.empty()) context.AddMetadata(header, value);
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    told_ += status.error_message() + "\n" + status.error_details() + "\n";
    for (const auto& [name, text] : context.GetServerTrailingMetadata()) {
      if (name != "grpc-status-details-bin") told_ += std::string(text.data(), text.size()) + "\n";
    }
    return status.ok();
  }

  void CallMisplaced(const std::string& secret) {
    const std::string key = "Bearer recorder." + recorder_;
    v1::MintAccessTokenRequest good;
    good.mutable_grants()->set_identity("rec_1");
    good.mutable_grants()->mutable_video()->set_room_join(true);
    good.mutable_grants()->mutable_video()->set_room("acme_1");
    v1::MintAccessTokenResponse minted;
    for (const char* name : {"authorization", "x-caller-authorization", "x-api-key", "x-ticket", "x-opaque", "cookie",
                             "x-request-id", "traceparent", "tracestate", "x-other", "grpc-tags-bin"}) {
      for (const char* before : {"", "Bearer ", "session="}) {
        if (IsGoodRequestId(name, before + secret)) continue;
        Call(&v1::TokenService::Stub::MintAccessToken, good, minted, name, before + secret);
      }
    }
    const auto mint = [&](const std::function<void(v1::MintAccessTokenRequest&)>& change) {
      v1::MintAccessTokenRequest request = good;
      change(request);
      return Call(&v1::TokenService::Stub::MintAccessToken, request, minted, "authorization", key);
    };
    EXPECT_TRUE(mint([&](auto& r) { r.mutable_grants()->set_metadata(secret); }));
    EXPECT_TRUE(mint([&](auto& r) { (*r.mutable_grants()->mutable_attributes())["a"] = secret; }));
    EXPECT_FALSE(mint([&](auto& r) { r.mutable_grants()->set_identity(secret); }));
    EXPECT_FALSE(mint([&](auto& r) { r.mutable_grants()->mutable_video()->set_room(secret); }));
    EXPECT_FALSE(mint([&](auto& r) { r.mutable_grants()->set_kind(secret); }));
    EXPECT_FALSE(mint([&](auto& r) { r.mutable_grants()->set_sha256(secret); }));
    EXPECT_FALSE(mint([&](auto& r) { r.mutable_grants()->set_room_preset(secret); }));
    EXPECT_FALSE(mint([&](auto& r) { r.mutable_grants()->mutable_video()->add_can_publish_sources(secret); }));
    EXPECT_FALSE(mint([&](auto& r) { r.mutable_grants()->mutable_room_config()->set_name(secret); }));
    EXPECT_FALSE(mint([&](auto& r) { r.set_project(secret); }));
    for (const std::string& text : {secret, minted.token(), minted.token() + secret}) {
      v1::VerifyAccessTokenRequest verify;
      verify.set_token(text);
      verify.set_check(v1::VerifyAccessTokenRequest::JOIN);
      v1::VerifyAccessTokenResponse verdict;
      Call(&v1::TokenService::Stub::VerifyAccessToken, verify, verdict, "authorization", key);
      told_ += verdict.rejection().message() + "\n";
    }
    v1::ExplainParticipantTokenRequest explain;
    explain.mutable_request()->set_room_name(secret);
    auto& credential = *explain.mutable_presented()->add_credentials();
    credential.set_header("x-ticket");
    credential.set_value(secret);
    v1::ExplainParticipantTokenResponse explained;
    Call(&v1::TokenService::Stub::ExplainParticipantToken, explain, explained, "authorization", key);
    for (const auto& authenticator : explained.authenticators()) told_ += authenticator.message() + "\n";
    for (const auto& policy : explained.policies()) told_ += policy.message() + "\n";
    told_ += explained.refusal().message() + "\n";
    v1::BatchIssueParticipantTokensRequest batch;
    auto& item = *batch.add_items();
    item.mutable_request()->set_room_name(secret);
    item.set_host(secret);
    *item.add_credentials() = credential;
    v1::BatchIssueParticipantTokensResponse results;
    for (const std::string& caller : {"gateway." + caller_, "recorder." + recorder_, secret}) {
      Call(&v1::TokenService::Stub::BatchIssueParticipantTokens, batch, results, "x-caller-authorization",
           "Bearer " + caller);
      told_ += results.ShortDebugString() + "\n";
    }
    // A method that there is not, and bytes that are no message.
    grpc::GenericStub generic(channel_);
    for (const std::string& method : {"/" + secret + "/Method", std::string("/livekit.token.v1.TokenService/") + secret,
                                      std::string("/livekit.token.v1.TokenService/MintAccessToken")}) {
      grpc::ClientContext context;
      grpc::CompletionQueue queue;
      const grpc::Slice slice(secret);
      auto call = generic.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
      call->StartCall();
      grpc::ByteBuffer answer;
      grpc::Status status;
      call->Finish(&answer, &status, this);
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
      told_ += status.error_message() + "\n" + status.error_details() + "\n";
    }
  }

  void SendEverything() {
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(grpc_), grpc::InsecureChannelCredentials());
    stub_ = v1::TokenService::NewStub(channel_);
    ASSERT_EQ(Post(user_header()), 201);
    PlantSecret(token_);
    ASSERT_EQ(Post("X-Ticket: " + ticket_ + "\r\n"), 201);
    for (int i = 0; i < 8; ++i) {  // all that Echo answers
      Post("X-Opaque: " + opaque_ + "\r\n");
      Post("Cookie: session=" + cookie_ + "; other=" + opaque_ + "\r\n");
    }
    std::vector<std::string> secrets = all_;
    secrets.push_back(token_);
    for (const std::string& secret : secrets) {
      SendMisplaced(secret);
      CallMisplaced(secret);
    }
    EXPECT_GT(told_.size(), 100'000U);
  }

  // What every program shows to those who look at it.
  void LookAtPrograms() {
    for (const auto& program : programs_) {
      const int admin = program->AwaitPort("admin");
      for (const char* path : {"/metrics", "/readyz?verbose", "/livez?verbose", "/startupz?verbose", "/debug/keys",
                               "/debug/config", "/debug/stacks", "/version"}) {
        RawClient client(admin);
        const auto response = client.Exchange(GetRequest(path));
        ASSERT_TRUE(response) << path;
        if (std::string(path) == "/metrics") {
          EXPECT_THAT(response->body, HasSubstr("process_open_fds"));
        }
        told_ += response->body + "\n";
      }
      for (const std::string& secret : all_) {
        RawClient client(admin);
        const auto response = client.Exchange(GetRequest("/" + secret, "Authorization: Bearer " + secret + "\r\n"));
        if (response) told_ += response->body + "\n";
      }
      const std::string proc = "/proc/" + std::to_string(program->pid()) + "/";
      EXPECT_THAT(CoreLimits(std::to_string(program->pid())), ::testing::ContainsRegex("size +0 +0 "));
      // Whoever may not read it sees nothing.
      const std::string environment = Read(proc + "environ");
      EXPECT_TRUE(environment.empty() || environment.find("wss://control.example") != std::string::npos);
      told_ += environment + "\n" + Read(proc + "cmdline") + "\n";
      EXPECT_THAT(program->Output(), HasSubstr("\"listening\""));
    }
    for (const std::string& leak : FindLeaks(told_, {})) ADD_FAILURE() << leak;
  }

  // That there was something to find secrets in; Program looks for them.
  void LookAtAudit() {
    const std::string text = Read(audit_);
    for (const char* part : {R"("outcome":"issued")", R"("outcome":"refused")", R"("method":"MintAccessToken")",
                             R"("method":"BatchIssueParticipantTokens")", R"("key_id":"APIkey")"}) {
      EXPECT_THAT(text, HasSubstr(part));
    }
    for (const auto& [name, value] : {std::pair("principal", "alice"), {"identity", "rec_1"}, {"room", "acme_1"}}) {
      const std::string member = std::string("\"") + name + "\":\"";
      EXPECT_EQ(text.find(member + value + "\"") == std::string::npos, hash_names_) << member;
      EXPECT_EQ(text.find(member + "hmac:") != std::string::npos, hash_names_) << member;
    }
  }

  void StopAll() {
    stub_.reset();
    channel_.reset();
    for (auto it = programs_.rbegin(); it != programs_.rend(); ++it) {
      (*it)->Signal(SIGINT);
      EXPECT_EQ((*it)->Wait(), 0) << (*it)->Output();
    }
  }

  TempFolder folder_;
  Echo echo_;
  const std::string signing_ = Plant("signing");
  const std::string ticket_secret_ = Plant("ticket");
  const std::string client_secret_ = Plant("client");
  const std::string hmac_ = Plant("hmac");
  const std::string user_ = Plant("user");
  const std::string caller_ = Plant("caller");
  const std::string recorder_ = Plant("recorder");
  const std::string cookie_ = Plant("cookie");
  const std::string opaque_ = Plant("opaque");
  std::string ticket_;
  std::string token_;  // the latest that was issued
  std::vector<std::string> all_;
  const std::string audit_ = folder_.path() + "/audit.jsonl";
  bool hash_names_ = false;
  std::string config_;
  std::vector<std::unique_ptr<Program>> programs_;
  int grpc_ = 0;
  int http_ = 0;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::TokenService::Stub> stub_;
  std::string told_;  // everything that anybody was told, but for tokens
};

TEST_F(Secrets, StayInGatewayAndServer) {
  hash_names_ = true;
  StartBoth();
  SendEverything();
  LookAtPrograms();
  LookAtAudit();
  StopAll();
}

TEST_F(Secrets, StayInTheStandalone) {
  StartStandalone();
  SendEverything();
  LookAtPrograms();
  LookAtAudit();
  StopAll();
}

// The control for what /proc shows: here everything of the process can be read.
TEST_F(Secrets, AreNotInTheEnvironmentOfAProcessThatMayBeDebugged) {
  StartStandalone({"--allow_core_dumps"});
  const std::string environment = Read("/proc/" + std::to_string(programs_[0]->pid()) + "/environ");
  EXPECT_THAT(environment, HasSubstr("LIVEKIT_URL=wss://control.example"));
  EXPECT_THAT(FindLeaks(environment, {}), IsEmpty());
  EXPECT_EQ(CoreLimits(std::to_string(programs_[0]->pid())), CoreLimits("self"));
  // What has been taken out is still there for reloads.
  const std::string before = Read(config_);
  folder_.Write("token.yaml", before + "deny_list: { file: " + folder_.Write("deny.yaml", "blocked: []\n") + " }\n");
  programs_[0]->Signal(SIGHUP);
  const auto reloaded = [&] { return programs_[0]->Output().find("config_loaded") != std::string::npos; };
  for (int i = 0; i < 1000 && !reloaded(); ++i) usleep(10'000);  // polls another process
  EXPECT_EQ(Post(user_header()), 201);
  EXPECT_THAT(programs_[0]->Output(), HasSubstr("config_loaded"));
  EXPECT_THAT(programs_[0]->Output(), Not(HasSubstr("config_refused")));
  StopAll();
}

// The control for everything else: what is shown on purpose, such as ids of keys and requests, is found if it is
// planted.
TEST_F(Secrets, AreFoundWhereverTheyAreShown) {
  const std::string shown = Plant("shown");
  ::testing::TestPartResultArray failures;
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &failures);
    StartStandalone({"--allow_core_dumps"}, shown, "wss://" + shown + ".example");
    EXPECT_EQ(Post("X-Request-Id: " + shown + "\r\n" + user_header()), 201);
    EXPECT_EQ(Post("X-Request-Id: " + shown + "\r\n"), 401);
    StopAll();
  }
  std::string text;
  for (int i = 0; i < failures.size(); ++i) text.append(failures.GetTestPartResult(i).message()).append("\n");
  for (const std::string& part :
       {"has printed the secret " + shown, std::string(R"("event":"http_request")"), "has shown the secret " + shown,
        R"(livekit_token_issued_total{caller="users",key=")" + shown, "LIVEKIT_URL=wss://" + shown,
        audit_ + " has the secret " + shown}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(FindLeaks(told_, {}), ::testing::Contains(HasSubstr(R"("request_id":")" + shown)));  // of the refusal
}

// Configurations and their files with secrets in the wrong places, checked and reloaded.
TEST_F(Secrets, AreNotNamedWhenAConfigurationIsRefused) {
  StartBoth();
  const std::string good = Read(config_);
  const std::string in = folder_.path() + "/";
  const std::string& s = signing_;
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  const std::vector<std::string> configs = {
      good + s + "\n",
      good + s + ": 1\n",
      good + "APIkey: " + s + "\n",
      good + "drain: " + s + "\n",
      good + "drain: { delay: " + s + " }\n",
      good + "x: \"" + s + "\n",
      good + "x: *" + s + "\n",
      good + "x: !" + s + " y\n",
      with("log_level: debug", "log_level: " + s),
      with("grpc: \"127.0.0.1:0\"", "grpc: \"" + s + "\""),
      with("admin: \"127.0.0.1:0\"", "admin: \"127.0.0.1:" + s + "\""),
      with("reflection: true", "reflection: " + s),
      with("file: " + in + "keys.yaml", "file: " + s),
      with("file: " + in + "keys.yaml", "file: " + in + "keys.yaml, signing_key: " + s),
      with("file: " + in + "keys.yaml", "api_key: APIkey, api_secret: " + s),
      with("file: " + in + "keys.yaml", "api_key_file: APIkey, api_secret_file: " + s),
      with("file: " + in + "keys.yaml", s),
      with("hmac_key_file: " + in + "hmac.key", "hmac_key_file: " + hmac_),
      with("hs256_secret_file: " + in + "tickets.secret", "hs256_secret_file: " + ticket_secret_),
      with("hs256_secret_file: " + in + "tickets.secret", "hs256_secret: " + ticket_secret_),
      with("hs256_secret_file: " + in + "tickets.secret", "jwks_file: " + ticket_secret_),
      with("hs256_secret_file: " + in + "tickets.secret", "jwks_uri: \"https://u:" + ticket_secret_ + "@a.example/\""),
      with("client_secret_file: " + in + "client.secret", "client_secret_file: " + client_secret_),
      with("client_secret_file: " + in + "client.secret", "client_secret: " + client_secret_),
      with("client_id: calls", "client_id: calls, client_auth: " + client_secret_),
      with(echo_.Url("/introspect"), "http://calls:" + client_secret_ + "@127.0.0.1:1/introspect"),
      with("audiences: [calls]", "audiences: [calls], algorithms: [" + s + "]"),
      with("header: x-ticket", "header: \"" + s + " \""),
      with("client: allow, pattern", "client: " + s + ", pattern"),
      with("pattern: \"r[0-9]+\"", "pattern: \"" + s + "(\""),
      with("match: { authenticator: users }", "match: { authenticator: " + s + " }"),
      with("extends: users", "extends: " + s),
      with("subject: { json: user.id }", "subject: { json: \"{" + s + "\" }"),
  };
  for (const std::string& config : configs) {
    const std::string path = folder_.Write("bad.yaml", config);
    const Finished checked = RunProgram("livekit-token-server", {"--config=" + path, "--check_config"});
    EXPECT_EQ(checked.status, 1) << config << checked.output;
  }
  const std::vector<std::pair<std::string, std::string>> files = {
      {"keys.yaml", "APIkey " + s + "\n"},
      {"keys.yaml", s + "\n"},
      {"keys.yaml", "APIkey: " + s + " " + s + "\n"},
      {"keys.yaml", s + ": short\n"},
      {"keys.yaml", "APIkey: \"" + s + "\n"},
      {"keys.yaml", "APIkey: " + s + "\nAPIkey: " + s + "\n"},
      {"users.yaml", "keys:\n  - { id: alice, sha256: " + user_ + " }\n"},
      {"users.yaml", "keys:\n  - { id: alice." + user_ + " }\n"},
      {"users.yaml", "keys:\n  - { id: alice, secret: " + user_ + " }\n"},
      {"users.yaml", "keys:\n  - { id: alice, not_after: " + user_ + " }\n"},
      {"users.yaml", "alice." + user_ + "\n"},
      {"users.yaml", "alice: " + user_ + "\n"},
  };
  Program& server = *programs_[0];
  std::size_t refused = 0;
  const auto count = [&] {
    std::size_t found = 0;
    const std::string output = server.Output();
    for (std::size_t at = 0; (at = output.find("config_refused", at)) != std::string::npos; ++at) ++found;
    return found;
  };
  for (const auto& [name, text] : files) {
    const std::string before = Read(in + name);
    folder_.Write(name, text);
    EXPECT_EQ(RunProgram("livekit-token-server", {"--config=" + config_, "--check_config"}).status, 1) << text;
    server.Signal(SIGHUP);
    for (int i = 0; i < 1000 && count() == refused; ++i) usleep(10'000);  // polls another process
    EXPECT_GT(count(), refused) << text;
    refused = count();
    LookAtPrograms();
    folder_.Write(name, before);
  }
  // Tests of policies, and flags.
  const std::string tests = folder_.Write(
      "tests.yaml", "tests:\n  - name: a\n    principal: { authenticator: users, subject: alice, claims: { a: " + s +
                        " } }\n    request: { room_name: " + s + " }\n    expect: { policy: users }\n");
  RunProgram("livekit-token-server", {"--config=" + config_, "--test_policy=" + tests});
  for (const std::string& flag : {"--caller_token_file=" + s, "--config=" + s}) {
    EXPECT_EQ(RunProgram("livekit-token-gateway", {flag, "--check_config"}).status, 1);
  }
  StopAll();
}

}  // namespace
}  // namespace livekit::token
