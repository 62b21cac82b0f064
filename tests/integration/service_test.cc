// A configured service of two processes as an operator runs it: keys in files, API keys, policies, services.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/digest.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "support/program.h"
#include "support/raw_client.h"
#include "support/vectors.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using testing::Finished;
using testing::GetRequest;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::PostRequest;
using testing::Program;
using testing::RawClient;
using testing::RawResponse;
using testing::RunProgram;
using testing::TempFolder;

// Everything that must never appear in any output.
constexpr char kSigningSecret[] = "MARKERsigning0123456789abcdefghijklmnop";
constexpr char kGatewaySecret[] = "MARKERgateway-secret-000";
constexpr char kUserSecret[] = "MARKERuser-secret-000000";
constexpr char kRecorderSecret[] = "MARKERrecorder-secret-00";

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    folder_.Write("keys.yaml", std::string("APIkey: ") + kSigningSecret + "\n");
    folder_.Write("users.yaml", "keys:\n" + HashLine("alice", kUserSecret));
    folder_.Write("services.yaml",
                  "keys:\n" + HashLine("gateway", kGatewaySecret) + HashLine("recorder", kRecorderSecret));
    folder_.Write("gateway.key", std::string("gateway.") + kGatewaySecret + "\n");
    config_ = folder_.Write("server.yaml", R"(
listen: { grpc: "127.0.0.1:0", admin: "127.0.0.1:0" }
log_level: debug
projects:
  - name: main
    client_url: wss://livekit.example
    keys: { file: )" + folder_.path() + R"(/keys.yaml }
authenticators:
  - { name: users, api_keys: { file: )" + folder_.path() +
                                               R"(/users.yaml } }
  - { name: programs, api_keys: { file: )" + folder_.path() +
                                               R"(/services.yaml, header: authorization } }
policies:
  - name: user
    match: { authenticator: users }
    room: { client: allow }
    metadata: { client: allow }
    grants: { can_publish: true, can_subscribe: true, can_publish_data: false }
services:
  - { name: gateway, match: { authenticator: programs, subject: gateway }, relay: true }
  - name: recorder
    match: { authenticator: programs, subject: recorder }
    mint: { rooms: ["acme_*"], identities: ["rec_*"], video: { room_join: true, hidden: true, can_subscribe: true } }
    verify: true
)");
  }

  static std::string HashLine(const std::string& id, const std::string& secret) {
    const Finished hashed = RunProgram("livekit-token-server", {"--hash_api_key", id}, {}, secret + "\n");
    EXPECT_EQ(hashed.status, 0) << hashed.output;
    EXPECT_THAT(hashed.output, Not(HasSubstr(secret)));
    return hashed.output;
  }

  void StartServer() {
    server_ = std::make_unique<Program>("livekit-token-server", std::vector<std::string>{"--config=" + config_});
    grpc_port_ = server_->AwaitPort("grpc");
    ASSERT_NE(grpc_port_, 0) << server_->Output();
    stub_ = v1::TokenService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(grpc_port_), grpc::InsecureChannelCredentials()));
  }

  void StartGateway(const std::string& key_file) {
    const std::string path =
        folder_.Write("gateway.yaml", "log_level: debug\nrelay_headers: [authorization, x-api-key]\n");
    gateway_ = std::make_unique<Program>(
        "livekit-token-gateway",
        std::vector<std::string>{"--config=" + path, "--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0",
                                 "--server_address=127.0.0.1:" + std::to_string(grpc_port_),
                                 "--caller_token_file=" + key_file});
    http_port_ = gateway_->AwaitPort("http");
    ASSERT_NE(http_port_, 0) << gateway_->Output();
  }

  RawResponse Post(const std::string& body, const std::string& headers) {
    RawClient client(http_port_);
    const auto response = client.Exchange(PostRequest("/getToken", body, headers));
    EXPECT_TRUE(response.has_value());
    answers_ += response ? response->body : "";
    return response.value_or(RawResponse());
  }

  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::TokenService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response, const std::string& header = "",
                    const std::string& value = "") {
    grpc::ClientContext context;
    if (!header.empty()) context.AddMetadata(header, value);
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    answers_ += status.error_message() + status.error_details();
    return status;
  }

  static std::string ReasonOf(const grpc::Status& status) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    if (!details.ParseFromString(status.error_details()) || details.details().empty()) return "";
    details.details(0).UnpackTo(&info);
    return info.domain() == "livekit.token.v1" ? info.reason() : "";
  }

  TempFolder folder_;
  std::string config_;
  std::unique_ptr<Program> server_;
  std::unique_ptr<Program> gateway_;
  std::unique_ptr<v1::TokenService::Stub> stub_;
  int grpc_port_ = 0;
  int http_port_ = 0;
  std::string answers_;  // everything that clients were told when something was refused
};

const std::string kUserHeader = std::string("X-API-Key: alice.") + kUserSecret + "\r\n";

TEST_F(ServiceTest, IssuesUnderPolicyForAuthenticatedUsersOnly) {
  StartServer();
  StartGateway(folder_.path() + "/gateway.key");
  const RawResponse token = Post(R"({"room_name":"r1","participant_metadata":"m"})", kUserHeader);
  ASSERT_EQ(token.status, 201) << token.body;
  const json claims = testing::ComparableClaims(json::parse(token.body)["participant_token"].get<std::string>());
  EXPECT_EQ(claims, json::parse(R"({"iss":"APIkey","sub":"alice","metadata":"m","video":{"roomJoin":true,"room":"r1",
      "canPublish":true,"canSubscribe":true,"canPublishData":false}})"));

  const RawResponse anonymous = Post("{}", "");
  EXPECT_EQ(anonymous.status, 401);
  EXPECT_EQ(anonymous.Header("www-authenticate"), "Bearer");
  const RawResponse wrong = Post("{}", "X-API-Key: alice.wrong-wrong-wrong-wrong\r\n");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_THAT(wrong.Header("www-authenticate").value_or(""), HasSubstr("invalid_token"));
  EXPECT_EQ(Post("{}", kUserHeader).status, 400);  // no room, and none is made up
  EXPECT_EQ(Post(R"({"room_name":"r","participant_identity":"mallory"})", kUserHeader).status, 403);
  EXPECT_EQ(Post(R"({"room_name":"r","participant_identity":"alice"})", kUserHeader).status, 201);
  EXPECT_EQ(Post(R"({"room_name":"r","room_config":{}})", kUserHeader).status, 201);
  EXPECT_EQ(Post(R"({"room_name":"r","room_config":{"agents":[{"agent_name":"a"}]}})", kUserHeader).status, 403);
  EXPECT_EQ(Post(R"({"room_name":"r"})", kUserHeader + "Authorization: Bearer x\r\n").status, 401);
  // A gateway's key is no end user's, and the header of callers is not relayed.
  EXPECT_EQ(
      Post(R"({"room_name":"r"})", std::string("Authorization: Bearer gateway.") + kGatewaySecret + "\r\n").status,
      403);
  EXPECT_EQ(
      Post(R"({"room_name":"r"})", std::string("X-Caller-Authorization: Bearer gateway.") + kGatewaySecret + "\r\n")
          .status,
      401);
}

TEST_F(ServiceTest, ShowsTheOperatorButNotTheUserThatTheGatewaysOwnKeyIsBad) {
  StartServer();
  StartGateway(folder_.Write("bad.key", "gateway.MARKERwrong-wrong-wrong"));
  const RawResponse response = Post(R"({"room_name":"r1"})", kUserHeader);
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(json::parse(response.body)["reason"], "INTERNAL");
  EXPECT_TRUE(gateway_->AwaitOutput("CALLER_AUTHENTICATION_FAILED")) << gateway_->Output();
}

TEST_F(ServiceTest, MintsWithinTheCeilingAndVerifies) {
  StartServer();
  const std::string key = std::string("Bearer recorder.") + kRecorderSecret;
  v1::MintAccessTokenRequest request;
  request.mutable_grants()->set_identity("rec_1");
  request.mutable_grants()->mutable_video()->set_room_join(true);
  request.mutable_grants()->mutable_video()->set_room("acme_1");
  v1::MintAccessTokenResponse minted;
  for (const char* header : {"x-caller-authorization", "authorization"}) {
    ASSERT_TRUE(Call(&v1::TokenService::Stub::MintAccessToken, request, minted, header, key).ok()) << header;
  }
  EXPECT_EQ(testing::ComparableClaims(minted.token())["video"],
            json::parse(R"({"roomJoin":true,"room":"acme_1","canPublish":false,"canPublishData":false})"));

  v1::VerifyAccessTokenRequest verify;
  verify.set_token(minted.token());
  verify.set_check(v1::VerifyAccessTokenRequest::JOIN);
  v1::VerifyAccessTokenResponse verdict;
  ASSERT_TRUE(Call(&v1::TokenService::Stub::VerifyAccessToken, verify, verdict, "authorization", key).ok());
  EXPECT_EQ(verdict.verified().grants().identity(), "rec_1");
  EXPECT_EQ(verdict.verified().project(), "main");

  EXPECT_EQ(ReasonOf(Call(&v1::TokenService::Stub::MintAccessToken, request, minted)), "AUTHENTICATION_REQUIRED");
  EXPECT_EQ(
      ReasonOf(Call(&v1::TokenService::Stub::MintAccessToken, request, minted, "authorization", "Bearer recorder.x")),
      "AUTHENTICATION_FAILED");
  EXPECT_EQ(ReasonOf(Call(&v1::TokenService::Stub::MintAccessToken, request, minted, "authorization",
                          std::string("Bearer gateway.") + kGatewaySecret)),
            "METHOD_NOT_PERMITTED");
  request.mutable_grants()->mutable_video()->set_room("other_1");
  EXPECT_EQ(ReasonOf(Call(&v1::TokenService::Stub::MintAccessToken, request, minted, "authorization", key)),
            "ROOM_NOT_PERMITTED");
}

// Rule 4 of the design: a full scenario at debug level, and no secret and no token in any output.
TEST_F(ServiceTest, LeaksNoSecretAndNoToken) {
  StartServer();
  StartGateway(folder_.path() + "/gateway.key");
  std::vector<std::string> hidden = {"MARKER", "eyJ"};
  for (const std::string& body :
       {std::string(R"({"room_name":"r1","participant_metadata":"MARKERmetadata"})"),
        std::string(R"({"room_name":"r1","room_config":{"egress":{"tracks":{"s3":{"secret":"MARKERs3"}}}}})"),
        std::string(R"({"MARKERfield":1,"room_name":"r"})"), std::string(R"({"room_name":{"MARKER":1}})"),
        std::string("{\"MARKER"), std::string(R"({"room_name":"r","participant_identity":"MARKERmallory"})")}) {
    for (const std::string& headers :
         {kUserHeader, std::string("X-API-Key: alice.MARKERwrong-wrong-wrong\r\n"),
          std::string("X-API-Key: MARKER\r\n"), std::string("Authorization: Bearer MARKERtoken.eyJ.x\r\n"),
          kUserHeader + "Origin: https://MARKER.example\r\n", kUserHeader + "Cookie: session=MARKER\r\n"}) {
      const RawResponse response = Post(body, headers);
      if (response.status == 201) answers_.resize(answers_.size() - response.body.size());
    }
  }
  v1::MintAccessTokenRequest request;
  request.mutable_grants()->set_identity("rec_1");
  request.mutable_grants()->set_metadata("MARKERmetadata");
  request.mutable_grants()->mutable_video()->set_room_join(true);
  request.mutable_grants()->mutable_video()->set_room("acme_1");
  v1::MintAccessTokenResponse minted;
  const std::string key = std::string("Bearer recorder.") + kRecorderSecret;
  ASSERT_TRUE(Call(&v1::TokenService::Stub::MintAccessToken, request, minted, "authorization", key).ok());
  v1::VerifyAccessTokenRequest verify;
  verify.set_token(minted.token() + "x");
  v1::VerifyAccessTokenResponse verdict;
  ASSERT_TRUE(Call(&v1::TokenService::Stub::VerifyAccessToken, verify, verdict, "authorization", key).ok());
  answers_ += verdict.rejection().message();
  request.mutable_grants()->set_kind("MARKER");
  Call(&v1::TokenService::Stub::MintAccessToken, request, minted, "authorization", key);
  Call(&v1::TokenService::Stub::MintAccessToken, request, minted, "authorization", "Bearer recorder.MARKERwrong-wrong");

  std::string metrics;
  for (Program* program : {server_.get(), gateway_.get()}) {
    RawClient client(program->AwaitPort("admin"));
    const auto response = client.Exchange(GetRequest("/metrics"));
    ASSERT_TRUE(response.has_value());
    metrics += response->body;
  }
  EXPECT_THAT(metrics, HasSubstr("livekit_token_denied_total"));
  stub_.reset();  // an idle connection that nobody reads would hold up the server's stop
  for (Program* program : {gateway_.get(), server_.get()}) {
    program->Signal(SIGINT);
    EXPECT_EQ(program->Wait(), 0);
  }
  EXPECT_TRUE(server_->AwaitOutput(R"("event":"audit","outcome":"refused")")) << server_->Output();
  EXPECT_TRUE(gateway_->AwaitOutput("http_request")) << gateway_->Output();
  for (const std::string& word : hidden) {
    EXPECT_THAT(server_->Output(), Not(HasSubstr(word)));
    EXPECT_THAT(gateway_->Output(), Not(HasSubstr(word)));
    EXPECT_THAT(metrics, Not(HasSubstr(word)));
    EXPECT_THAT(answers_, Not(HasSubstr(word)));
  }
}

TEST(HashApiKey, MakesUpASecretAndPrintsItsHash) {
  const Finished made = RunProgram("livekit-token-server", {"--hash_api_key=web"});
  EXPECT_EQ(made.status, 0);
  const std::size_t at = made.output.find("web.");
  ASSERT_NE(at, std::string::npos) << made.output;
  const std::string secret = made.output.substr(at + 4, made.output.find('\n', at) - at - 4);
  EXPECT_EQ(secret.size(), 43u);  // 256 bits
  EXPECT_THAT(made.output, HasSubstr("- { id: web, sha256: " + HexEncode(Sha256(secret)) + " }\n"));
  const Finished again = RunProgram("livekit-token-server", {"--hash_api_key=web"});
  EXPECT_NE(made.output, again.output);
}

TEST(HashApiKey, RefusesIdsAndSecretsThatCannotWork) {
  EXPECT_EQ(RunProgram("livekit-token-server", {"--hash_api_key=a.b"}).status, 1);
  const Finished weak = RunProgram("livekit-token-server", {"--hash_api_key=web"}, {}, "MARKER-too-short\n");
  EXPECT_EQ(RunProgram("livekit-token-server", {"--hash_api_key=web"}, {}, "MARKER-short\n").status, 1);
  EXPECT_EQ(weak.status, 0);  // 16 characters are enough
  EXPECT_THAT(weak.output, Not(HasSubstr("MARKER")));
}

TEST_F(ServiceTest, RefusesWhatIsTooMuchAndSaysWhenToComeBack) {
  std::ofstream(config_, std::ios::app) << "rate_limits: { per_principal: 1/m burst 2, per_service: 1/m burst 5 }\n";
  StartServer();
  StartGateway(folder_.path() + "/gateway.key");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Post(R"({"room_name":"r"})", kUserHeader).status, 201);
  // As a page of the gateway's own host asks, which must be able to read when to come back.
  const RawResponse limited = Post(R"({"room_name":"r"})", kUserHeader + "Origin: http://localhost\r\n");
  EXPECT_EQ(limited.status, 429);
  EXPECT_THAT(limited.body, HasSubstr("RATE_LIMITED"));
  EXPECT_THAT(limited.body, Not(HasSubstr("alice")));
  const int seconds = std::stoi(limited.Header("retry-after").value_or("0"));
  EXPECT_GT(seconds, 50);
  EXPECT_LE(seconds, 60);
  EXPECT_EQ(limited.Header("access-control-allow-origin"), "http://localhost");
  EXPECT_THAT(limited.Header("access-control-expose-headers").value_or(""), HasSubstr("Retry-After"));

  v1::MintAccessTokenRequest request;
  request.mutable_grants()->set_identity("rec_1");
  request.mutable_grants()->mutable_video()->set_room_join(true);
  request.mutable_grants()->mutable_video()->set_room("acme_1");
  const std::string bearer = std::string("Bearer recorder.") + kRecorderSecret;
  v1::MintAccessTokenResponse response;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(Call(&v1::TokenService::Stub::MintAccessToken, request, response, "authorization", bearer).ok());
  }
  grpc::ClientContext context;
  context.AddMetadata("authorization", bearer);
  const grpc::Status status = stub_->MintAccessToken(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "RATE_LIMITED");
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::RetryInfo retry;
  const auto found = std::find_if(details.details().begin(), details.details().end(),
                                  [&](const auto& detail) { return detail.UnpackTo(&retry); });
  ASSERT_NE(found, details.details().end());
  EXPECT_GT(retry.retry_delay().seconds(), 50);
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto pushback = trailers.find("grpc-retry-pushback-ms");
  ASSERT_NE(pushback, trailers.end());
  EXPECT_EQ(std::string(pushback->second.data(), pushback->second.size()), "-1");
}

TEST_F(ServiceTest, FailsToStartInsteadOfHalfStarting) {
  StartServer();
  const std::string taken = "127.0.0.1:" + std::to_string(grpc_port_);
  const Finished second = RunProgram("livekit-token-server", {"--config=" + config_, "--grpc_listen=" + taken});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.output, HasSubstr(taken));
  // The first one still has the port to itself.
  v1::MintAccessTokenRequest request;
  v1::MintAccessTokenResponse minted;
  EXPECT_EQ(ReasonOf(Call(&v1::TokenService::Stub::MintAccessToken, request, minted)), "AUTHENTICATION_REQUIRED");
}

TEST_F(ServiceTest, ChecksTheConfigurationWithoutServing) {
  EXPECT_EQ(RunProgram("livekit-token-server", {"--config=" + config_, "--check_config"}).status, 0);
  const std::string bad =
      folder_.Write("bad.yaml", "projects: [{ name: a, keys: { file: /nowhere } }]\npolicies: [{}]\n");
  const Finished checked = RunProgram("livekit-token-server", {"--config=" + bad, "--check_config"});
  EXPECT_EQ(checked.status, 1);
  for (const char* path : {"projects[0].client_url", "projects[0].keys", "authenticators", "policies[0].room",
                           "policies[0].match.authenticator"}) {
    EXPECT_THAT(checked.output, HasSubstr(std::string(bad) + ": " + path)) << checked.output;
  }
  EXPECT_EQ(RunProgram("livekit-token-server", {}).status, 1);
  EXPECT_EQ(RunProgram("livekit-token-server", {"--config=/nowhere"}).status, 1);
  EXPECT_EQ(RunProgram("livekit-token-server", {"--dev", "--config=" + config_}).status, 1);
  EXPECT_EQ(RunProgram("livekit-token-server", {"--dev", "--grpc_listen=0.0.0.0:0"}).status, 1);
}

}  // namespace
}  // namespace livekit::token
