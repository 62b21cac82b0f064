// The vectors through the programs: over HTTP on every backend, and over gRPC.

#include "support/vectors.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "protojson/reader.h"
#include "support/grant_form.h"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using testing::CompareClaims;
using testing::ExpectsToken;
using testing::LoadVectors;
using testing::Program;
using testing::RawClient;
using testing::TempFolder;

const std::map<std::string, std::string> kEnvironment = {{"LIVEKIT_URL", "wss://livekit.example"},
                                                         {"LIVEKIT_API_KEY", testing::kVectorKey},
                                                         {"LIVEKIT_API_SECRET", testing::kVectorSecret}};

// The programs behind one HTTP port.
struct Deployment {
  TempFolder folder;
  std::vector<std::unique_ptr<Program>> programs;
  int http_port = 0;
  std::string grpc_target;
};

std::unique_ptr<Deployment> StartStandalone() {
  auto deployment = std::make_unique<Deployment>();
  deployment->programs.push_back(
      std::make_unique<Program>("livekit-token-standalone",
                                std::vector<std::string>{"--dev", "--http_listen=127.0.0.1:0",
                                                         "--grpc_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0"},
                                kEnvironment));
  deployment->http_port = deployment->programs[0]->AwaitPort("http");
  deployment->grpc_target = "127.0.0.1:" + std::to_string(deployment->programs[0]->AwaitPort("grpc"));
  return deployment;
}

std::unique_ptr<Deployment> StartTwoProcesses(bool unix_socket) {
  auto deployment = std::make_unique<Deployment>();
  deployment->grpc_target = unix_socket ? "unix:" + deployment->folder.path() + "/socket" : "127.0.0.1:0";
  deployment->programs.push_back(std::make_unique<Program>(
      "livekit-token-server",
      std::vector<std::string>{"--dev", "--grpc_listen=" + deployment->grpc_target, "--admin_listen=127.0.0.1:0"},
      kEnvironment));
  if (!unix_socket) {
    deployment->grpc_target = "127.0.0.1:" + std::to_string(deployment->programs[0]->AwaitPort("grpc"));
  }
  EXPECT_TRUE(deployment->programs[0]->AwaitListening("grpc"));
  deployment->programs.push_back(std::make_unique<Program>(
      "livekit-token-gateway",
      std::vector<std::string>{"--dev", "--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0",
                               "--server_address=" + deployment->grpc_target}));
  deployment->http_port = deployment->programs[1]->AwaitPort("http");
  return deployment;
}

testing::RawResponse Post(const Deployment& deployment, const std::string& body) {
  RawClient client(deployment.http_port);
  auto response = client.Exchange(testing::PostRequest("/getToken", body));
  EXPECT_TRUE(response.has_value());
  return response.value_or(testing::RawResponse());
}

class HttpVectorsTest : public ::testing::TestWithParam<const char*> {
 protected:
  HttpVectorsTest() {
    const std::string backend = GetParam();
    deployment_ = backend == "direct" ? StartStandalone() : StartTwoProcesses(backend == "unix");
  }
  std::unique_ptr<Deployment> deployment_;
};

TEST_P(HttpVectorsTest, AnswersEveryStandardVector) {
  ASSERT_NE(deployment_->http_port, 0);
  int tokens = 0;
  for (const json& vector : LoadVectors("standard")) {
    const std::string id = vector.at("id");
    SCOPED_TRACE(id);
    const std::string body = testing::RequestBody(vector);
    const auto response = Post(*deployment_, body);
    const json answer = json::parse(response.body, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(answer.is_object()) << response.body;
    if (body.size() > 65536) {
      EXPECT_EQ(response.status, 413);
      EXPECT_EQ(answer["reason"], "BODY_TOO_LARGE");
      continue;
    }
    if (!ExpectsToken(vector)) {
      EXPECT_EQ(response.status, vector["expect"]["layer"] == "credentials" ? 403 : 400);
      EXPECT_LE(response.body.size(), 1024u);
      EXPECT_FALSE(answer.contains("server_url") || answer.contains("participant_token"));
      continue;
    }
    ASSERT_EQ(response.status, 201) << response.body;
    EXPECT_EQ(response.Header("content-type"), "application/json");
    EXPECT_EQ(response.Header("cache-control"), "no-store");
    EXPECT_EQ(answer.size(), 2u);
    EXPECT_EQ(answer["server_url"], "wss://livekit.example");
    EXPECT_EQ(CompareClaims(vector, answer["participant_token"].get<std::string>()), "");
    ++tokens;
  }
  EXPECT_GE(tokens, 20);
}

TEST_P(HttpVectorsTest, MakesUpANewRoomAndIdentityEachTime) {
  const auto claims = [&] {
    const json answer = json::parse(Post(*deployment_, "").body);
    return testing::ComparableClaims(answer.at("participant_token").get<std::string>());
  };
  const json first = claims();
  const json second = claims();
  EXPECT_NE(first["sub"], second["sub"]);
  EXPECT_NE(first["video"]["room"], second["video"]["room"]);
}

TEST_P(HttpVectorsTest, StopsCleanly) {
  for (auto program = deployment_->programs.rbegin(); program != deployment_->programs.rend(); ++program) {
    (*program)->Signal(SIGINT);
    EXPECT_EQ((*program)->Wait(), 0) << (*program)->Output();
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, HttpVectorsTest, ::testing::Values("direct", "tcp", "unix"),
                         [](const auto& info) { return std::string(info.param); });

class GrpcVectorsTest : public ::testing::Test {
 protected:
  GrpcVectorsTest() : deployment_(StartStandalone()) {
    stub_ =
        v1::TokenService::NewStub(grpc::CreateChannel(deployment_->grpc_target, grpc::InsecureChannelCredentials()));
  }

  std::unique_ptr<Deployment> deployment_;
  std::unique_ptr<v1::TokenService::Stub> stub_;
};

TEST_F(GrpcVectorsTest, IssuesTheStandardVectors) {
  int large = 0;
  for (const json& vector : LoadVectors("standard")) {
    SCOPED_TRACE(vector.at("id").get<std::string>());
    v1::IssueParticipantTokenRequest request;
    // What is not JSON of the schema cannot be said in gRPC.
    const std::string body = testing::RequestBody(vector);
    if (!protojson::Read(body, {}, *request.mutable_request()).ok()) continue;
    if (body.size() > 65536) ++large;
    grpc::ClientContext context;
    v1::IssueParticipantTokenResponse response;
    const grpc::Status status = stub_->IssueParticipantToken(&context, request, &response);
    EXPECT_EQ(status.ok(), ExpectsToken(vector)) << status.error_message();
    EXPECT_EQ(status.ok() ? CompareClaims(vector, response.participant_token()) : "", "");
  }
  EXPECT_EQ(large, 2);  // attributes of exactly 64 KiB, and metadata beyond its limit
}

TEST_F(GrpcVectorsTest, MintsTheGrantVectors) {
  for (const json& vector : LoadVectors("grant")) {
    SCOPED_TRACE(vector.at("id").get<std::string>());
    if (vector["request"].contains("api_key")) continue;  // the key is the server's
    const bool sensitive = vector["request"].value("allow_sensitive_credentials", false);
    v1::MintAccessTokenRequest request;
    *request.mutable_grants() = testing::GrantsFromForm(vector["request"]);
    grpc::ClientContext context;
    v1::MintAccessTokenResponse response;
    const grpc::Status status = stub_->MintAccessToken(&context, request, &response);
    // Not even development mode puts credentials into a token.
    EXPECT_EQ(status.ok(), ExpectsToken(vector) && !sensitive) << status.error_message();
    EXPECT_EQ(status.ok() ? CompareClaims(vector, response.token()) : "", "");
  }
}

TEST_F(GrpcVectorsTest, VerifiesTheVerifyVectors) {
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  for (const json& vector : LoadVectors("verify")) {
    SCOPED_TRACE(vector.at("id").get<std::string>());
    v1::VerifyAccessTokenRequest request;
    request.set_token(testing::MakeToken(vector, now));
    request.set_check(v1::VerifyAccessTokenRequest::JOIN);
    grpc::ClientContext context;
    v1::VerifyAccessTokenResponse response;
    ASSERT_TRUE(stub_->VerifyAccessToken(&context, request, &response).ok());
    EXPECT_EQ(response.has_verified(), ExpectsToken(vector)) << response.rejection().message();
  }
}

}  // namespace
}  // namespace livekit::token
