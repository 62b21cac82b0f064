// The gRPC face, through real servers on loopback and on unix sockets.

#include "server/token_service.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <future>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "authority_fixture.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "nlohmann/json.hpp"
#include "server/dev_config.h"
#include "server/server.h"
#include "service/log.h"

// c-ares 1.18 leaks its copy of the name `localhost` whenever it resolves it.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares.so\n"; }

namespace livekit::token {
namespace {

using testing::ClaimsOf;
using ::testing::HasSubstr;
using testing::KeyOf;
using testing::kMarker;
using ::testing::Not;

constexpr std::chrono::seconds kPatience{30};

// Runs each test on a TCP port and on a unix socket.
class TokenServerTest : public testing::AuthorityFixture, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override { Serve(state_, {}); }

  void TearDown() override {
    stub_.reset();
    channel_.reset();
    server_.reset();
    authorities_.reset();
  }

  void Serve(std::shared_ptr<const AuthorityState> state, const ServerOptions& options, bool reflection = false) {
    TearDown();
    config::v1::ServerConfig config = config_;
    config.set_reflection(reflection);
    const bool unix_socket = std::string_view(GetParam()) == "unix";
    config.mutable_listen()->set_grpc(unix_socket ? "unix:" + dir_.Path("grpc.sock") : "127.0.0.1:0");
    authorities_ =
        std::make_unique<Authorities>(std::make_shared<const TokenAuthority>(std::move(state), clock_, metrics_));
    auto server = TokenServer::Start(WithDefaults(config, options), options, *authorities_, metrics_);
    ASSERT_OK(server);
    server_ = *std::move(server);
    EXPECT_NE(server_->address(), "127.0.0.1:0");
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(17 << 20);
    channel_ = grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(), arguments);
    stub_ = v1::TokenService::NewStub(channel_);
  }

  static void Prepare(grpc::ClientContext& context, const std::vector<PresentedHeader>& headers) {
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    for (const auto& header : headers) context.AddMetadata(header.name, header.value);
  }

  template <typename Request, typename Response>
  grpc::Status Rpc(grpc::Status (v1::TokenService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   const std::vector<PresentedHeader>& headers, const Request& request, Response* response) {
    grpc::ClientContext context;
    Prepare(context, headers);
    return (stub_.get()->*method)(&context, request, response);
  }

  grpc::Status IssueRpc(const std::vector<PresentedHeader>& headers, const std::string& room,
                        v1::IssueParticipantTokenResponse* response) {
    v1::IssueParticipantTokenRequest request;
    *request.mutable_request() = InRoom(room);
    return Rpc(&v1::TokenService::Stub::IssueParticipantToken, headers, request, response);
  }
  grpc::Status MintRpc(const std::vector<PresentedHeader>& headers, const v1::MintAccessTokenRequest& request,
                       v1::MintAccessTokenResponse* response) {
    return Rpc(&v1::TokenService::Stub::MintAccessToken, headers, request, response);
  }

  static std::vector<PresentedHeader> Program(const std::string& id) {
    return {{"x-caller-authorization", "Bearer " + KeyOf(id)}};
  }

  // Expects the refusal with exactly these details.
  static void ExpectRefusal(const grpc::Status& status, grpc::StatusCode code, const std::string& reason,
                            const std::string& field = "") {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_NE(status.error_message(), "");
    EXPECT_LT(status.error_details().size(), 4096U);
    google::rpc::Status details;
    ASSERT_TRUE(details.ParseFromString(status.error_details()));
    EXPECT_EQ(details.code(), code);
    google::rpc::ErrorInfo info;
    ASSERT_GE(details.details_size(), 1);
    ASSERT_TRUE(details.details(0).UnpackTo(&info));
    EXPECT_EQ(info.reason(), reason);
    EXPECT_EQ(info.domain(), "livekit.token.v1");
    google::rpc::RequestInfo request;
    ASSERT_EQ(details.details_size(), field.empty() ? 2 : 3);
    ASSERT_TRUE(details.details(details.details_size() - 1).UnpackTo(&request));
    EXPECT_TRUE(IsRequestId(request.request_id()));
    if (field.empty()) return;
    google::rpc::BadRequest bad_request;
    ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
    ASSERT_EQ(bad_request.field_violations_size(), 1);
    EXPECT_EQ(bad_request.field_violations(0).field(), field);
    EXPECT_NE(bad_request.field_violations(0).description(), "");
  }

  config::v1::ServerConfig config_;  // but for the address and reflection
  std::unique_ptr<Authorities> authorities_;
  std::unique_ptr<TokenServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::TokenService::Stub> stub_;
};

INSTANTIATE_TEST_SUITE_P(Transports, TokenServerTest, ::testing::Values("tcp", "unix"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(TokenServerTest, LogsOneLineForEachCall) {
  const auto lines = [this](const std::string& sample) {
    Serve(Build(std::string(testing::kServerYaml) + sample), {});
    ::testing::internal::CaptureStderr();
    v1::IssueParticipantTokenResponse response;
    EXPECT_TRUE(IssueRpc({{"x-api-key", KeyOf("web")}, {"x-request-id", "r-1"}}, "", &response).ok());
    EXPECT_FALSE(IssueRpc({{"x-api-key", "MARK"}, {"x-request-id", "r-2"}}, "", &response).ok());
    server_.reset();  // the line is written before the answer is sent, but gRPC's thread may still be in it
    std::vector<std::string> found;
    std::istringstream text(::testing::internal::GetCapturedStderr());
    for (std::string line; std::getline(text, line);) {
      if (line.find("\"grpc_call\"") != std::string::npos) found.push_back(line);
    }
    return found;
  };
  const std::string peer = std::string(GetParam()) == "unix" ? "localhost" : "127.0.0.1";
  const auto all = lines("");
  ASSERT_EQ(all.size(), 2U);
  for (const char* part : {R"("level":"info")", R"("method":"IssueParticipantToken")", R"("grpc_code":"OK")",
                           R"("reason":"")", R"("request_id":"r-1")", R"("items":1)"}) {
    EXPECT_THAT(all[0], HasSubstr(part));
  }
  EXPECT_THAT(all[0], HasSubstr("\"peer_ip\":\"" + peer + '"'));
  for (const char* part : {R"("level":"warn")", R"("grpc_code":"UNAUTHENTICATED")",
                           R"("reason":"AUTHENTICATION_FAILED")", R"("request_id":"r-2")"}) {
    EXPECT_THAT(all[1], HasSubstr(part));
  }
  EXPECT_THAT(all[1], Not(HasSubstr("MARK")));
  const auto refused = lines("access_log_sample: 0\n");
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_THAT(refused[0], HasSubstr("r-2"));
}

TEST_P(TokenServerTest, IssuesFromMetadata) {
  v1::IssueParticipantTokenResponse response;
  ASSERT_TRUE(IssueRpc({{"x-api-key", KeyOf("web")}}, "", &response).ok());
  EXPECT_EQ(ClaimsOf(response.participant_token())["sub"], "web");
  EXPECT_EQ(ClaimsOf(response.participant_token())["iat"], UnixSeconds(clock_.now));
  ASSERT_TRUE(IssueRpc({}, "lobby", &response).ok());
  EXPECT_THAT(response.participant_identity(), HasSubstr("guest-"));
  ASSERT_TRUE(IssueRpc({{"authorization", "Bearer " + KeyOf("recorder")}}, "lobby", &response).ok());
  EXPECT_EQ(response.participant_identity(), "recorder");
}

TEST_P(TokenServerTest, IgnoresMetadataThatIsNoCredential) {
  v1::IssueParticipantTokenResponse response;
  ASSERT_TRUE(
      IssueRpc({{"x-team-key", KeyOf("web")}, {"cookie", "a=b"}, {"x-request-id", "r-1"}}, "lobby", &response).ok());
  EXPECT_THAT(response.participant_identity(), HasSubstr("guest-"));
}

TEST_P(TokenServerTest, RefusesBadCredentialsAndHeadersThatAreThereTwice) {
  v1::IssueParticipantTokenResponse response;
  ExpectRefusal(IssueRpc({{"x-api-key", "web.wrong"}}, "lobby", &response), grpc::StatusCode::UNAUTHENTICATED,
                "AUTHENTICATION_FAILED");
  ExpectRefusal(IssueRpc({{"x-api-key", ""}}, "lobby", &response), grpc::StatusCode::UNAUTHENTICATED,
                "AUTHENTICATION_FAILED");
  ExpectRefusal(IssueRpc({{"x-api-key", KeyOf("web")}, {"x-api-key", KeyOf("web")}}, "", &response),
                grpc::StatusCode::INVALID_ARGUMENT, "AMBIGUOUS_CREDENTIALS");
  ExpectRefusal(IssueRpc({{"x-caller-authorization", "Bearer " + KeyOf("recorder")},
                          {"x-caller-authorization", "Bearer " + KeyOf("web")}},
                         "", &response),
                grpc::StatusCode::INVALID_ARGUMENT, "AMBIGUOUS_CREDENTIALS");
  ExpectRefusal(
      IssueRpc({{"x-api-key", KeyOf("web")}, {"authorization", "Bearer " + KeyOf("recorder")}}, "", &response),
      grpc::StatusCode::INVALID_ARGUMENT, "AMBIGUOUS_CREDENTIALS");
  EXPECT_EQ(response.participant_token(), "");
}

TEST_P(TokenServerTest, CarriesReasonsAndFields) {
  v1::IssueParticipantTokenResponse issued;
  ExpectRefusal(IssueRpc({{"x-api-key", KeyOf("web")}}, "p-app", &issued), grpc::StatusCode::PERMISSION_DENIED,
                "ROOM_NOT_PERMITTED", "room_name");
  v1::MintAccessTokenResponse minted;
  auto request = Join("rec_1", "acme_1");
  request.mutable_grants()->mutable_video()->set_room_admin(true);
  ExpectRefusal(MintRpc(Program("recorder"), request, &minted), grpc::StatusCode::PERMISSION_DENIED,
                "GRANT_NOT_PERMITTED", "grants.video.room_admin");
  ExpectRefusal(MintRpc({}, request, &minted), grpc::StatusCode::PERMISSION_DENIED, "METHOD_NOT_PERMITTED");
  v1::BatchMintAccessTokensRequest batch;
  *batch.add_requests() = Join("rec_1", "acme_1");
  *batch.add_requests() = request;
  v1::BatchMintAccessTokensResponse tokens;
  ExpectRefusal(Rpc(&v1::TokenService::Stub::BatchMintAccessTokens, Program("recorder"), batch, &tokens),
                grpc::StatusCode::PERMISSION_DENIED, "GRANT_NOT_PERMITTED", "requests[1].grants.video.room_admin");
  EXPECT_EQ(tokens.tokens_size(), 0);
}

TEST_P(TokenServerTest, MintsAndVerifies) {
  v1::MintAccessTokenResponse minted;
  ASSERT_TRUE(MintRpc(Program("root"), Join("alice", "lobby", "main"), &minted).ok());
  v1::VerifyAccessTokenRequest request;
  request.set_token(minted.token());
  request.set_check(v1::VerifyAccessTokenRequest::JOIN);
  v1::VerifyAccessTokenResponse verdict;
  ASSERT_TRUE(Rpc(&v1::TokenService::Stub::VerifyAccessToken, Program("root"), request, &verdict).ok());
  EXPECT_EQ(verdict.verified().grants().identity(), "alice");
  ASSERT_TRUE(Rpc(&v1::TokenService::Stub::VerifyAccessToken, Program("keeper"), request, &verdict).ok());
  EXPECT_EQ(verdict.rejection().reason(), v1::ISSUER_UNKNOWN);
}

TEST_P(TokenServerTest, ExplainsToThoseWhoMay) {
  v1::ExplainParticipantTokenRequest request;
  *request.mutable_request() = InRoom("lobby");
  v1::ExplainParticipantTokenResponse response;
  constexpr auto kExplain = &v1::TokenService::Stub::ExplainParticipantToken;
  ExpectRefusal(Rpc(kExplain, Program("gateway"), request, &response), grpc::PERMISSION_DENIED, "METHOD_NOT_PERMITTED");
  ExpectRefusal(Rpc(kExplain, {}, request, &response), grpc::PERMISSION_DENIED, "METHOD_NOT_PERMITTED");
  Serve(Build(std::string(testing::kServerYaml) +
              "  - { name: nothing, match: { authenticator: programs, subject: nothing }, projects: [other], "
              "explain: true }\n"),
        {});
  ASSERT_TRUE(Rpc(kExplain, Program("nothing"), request, &response).ok());
  EXPECT_EQ(response.grants().video().room(), "lobby");
  EXPECT_EQ(response.project(), "other");
  // A refusal is an answer; what cannot be explained is an error with its field.
  request.mutable_request()->set_participant_metadata("x");
  ASSERT_TRUE(Rpc(kExplain, Program("nothing"), request, &response).ok());
  EXPECT_EQ(response.refusal().reason(), v1::FIELD_NOT_PERMITTED);
  request.set_via("nobody");
  ExpectRefusal(Rpc(kExplain, Program("nothing"), request, &response), grpc::INVALID_ARGUMENT, "FIELD_INVALID", "via");
}

TEST_P(TokenServerTest, RelaysWithAVerdictForEachItem) {
  v1::BatchIssueParticipantTokensRequest request;
  auto& credential = *request.add_items()->add_credentials();
  credential.set_header("x-api-key");
  credential.set_value(KeyOf("web"));
  *request.add_items() = request.items(0);
  request.mutable_items(1)->mutable_credentials(0)->set_value("web.wrong");
  *request.add_items() = request.items(0);
  request.mutable_items(2)->mutable_request()->set_participant_identity("app");
  v1::BatchIssueParticipantTokensResponse response;
  ASSERT_TRUE(Rpc(&v1::TokenService::Stub::BatchIssueParticipantTokens, Program("gateway"), request, &response).ok());
  ASSERT_EQ(response.results_size(), 3);
  EXPECT_EQ(ClaimsOf(response.results(0).token().participant_token())["sub"], "web");
  EXPECT_EQ(response.results(1).error().reason(), v1::AUTHENTICATION_FAILED);
  EXPECT_EQ(response.results(2).error().reason(), v1::IDENTITY_NOT_PERMITTED);
  EXPECT_EQ(response.results(2).error().fields(0).field(), "participant_identity");
  ExpectRefusal(Rpc(&v1::TokenService::Stub::BatchIssueParticipantTokens, Program("recorder"), request, &response),
                grpc::StatusCode::PERMISSION_DENIED, "METHOD_NOT_PERMITTED");
  ExpectRefusal(Rpc(&v1::TokenService::Stub::BatchIssueParticipantTokens,
                    {{"x-caller-authorization", "Bearer gateway.wrong"}}, request, &response),
                grpc::StatusCode::UNAUTHENTICATED, "CALLER_AUTHENTICATION_FAILED");
}

TEST_P(TokenServerTest, CarriesTheLargestBatches) {
  v1::BatchMintAccessTokensRequest request;
  for (int i = 0; i < 7; ++i) {
    *request.add_requests() = Join("rec_1", "acme_1");
    request.mutable_requests(i)->mutable_grants()->set_metadata(std::string(512 * 1024, 'm'));
  }
  v1::BatchMintAccessTokensResponse response;
  // Over gRPC's default limit of 4 MB for a client, which has to raise it.
  ASSERT_TRUE(Rpc(&v1::TokenService::Stub::BatchMintAccessTokens, Program("recorder"), request, &response).ok());
  EXPECT_GT(response.ByteSizeLong(), 4U << 20);
  request.Clear();
  for (int i = 0; i < 1000; ++i) *request.add_requests() = Join("rec_1", "acme_1");
  ASSERT_TRUE(Rpc(&v1::TokenService::Stub::BatchMintAccessTokens, Program("recorder"), request, &response).ok());
  EXPECT_EQ(response.tokens_size(), 1000);
  // More than the server receives; last, since gRPC may hold up what follows on the connection.
  request.Clear();
  for (int i = 0; i < 9; ++i) {
    *request.add_requests() = Join("rec_1", "acme_1");
    request.mutable_requests(i)->mutable_grants()->set_metadata(std::string(512 * 1024, 'm'));
  }
  EXPECT_EQ(Rpc(&v1::TokenService::Stub::BatchMintAccessTokens, Program("recorder"), request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_P(TokenServerTest, RefusesMessagesThatAreNone) {
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(channel_);
  const auto call = [&](const std::string& message) {
    grpc::ClientContext context;
    Prepare(context, Program("recorder"));
    const grpc::Slice slice(message);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> status;
    stub.UnaryCall(&context, "/livekit.token.v1.TokenService/MintAccessToken", grpc::StubOptions(), &request, &response,
                   [&status](const grpc::Status& ended) { status.set_value(ended); });
    return status.get_future().get();
  };
  ExpectRefusal(call("\xff"), grpc::StatusCode::INVALID_ARGUMENT, "MALFORMED_REQUEST");
  EXPECT_TRUE(call(Join("rec_1", "acme_1").SerializeAsString()).ok());
}

TEST_P(TokenServerTest, CountsCallsByMethodAndStatus) {
  v1::IssueParticipantTokenResponse response;
  IssueRpc({}, "lobby", &response);
  IssueRpc({}, "lobby", &response);
  IssueRpc({{"x-api-key", "web.wrong"}}, "lobby", &response);
  const std::string series = "grpc_server_call_duration_seconds_count";
  EXPECT_EQ(Metric(series + R"({grpc_method="IssueParticipantToken",grpc_status="OK"})"), 2);
  EXPECT_EQ(Metric(series + R"({grpc_method="IssueParticipantToken",grpc_status="UNAUTHENTICATED"})"), 1);
  EXPECT_EQ(Metric(R"(livekit_token_issued_total{caller="guest",key="APIother",kind="participant"})"), 2);
  EXPECT_EQ(Metric(R"(livekit_token_denied_total{caller="other",reason="AUTHENTICATION_FAILED"})"), 1);
}

// What the server makes of metadata, as its access line and its answer show.
struct Seen {
  std::string request_id;
  std::string trace_id;
  std::string span_id;
};

class CorrelationTest : public TokenServerTest {
 protected:
  Seen Ask(const std::vector<PresentedHeader>& metadata, bool good) {
    grpc::ClientContext context;
    Prepare(context, metadata);
    context.AddMetadata("x-api-key", good ? KeyOf("web") : "web.wrong");
    v1::IssueParticipantTokenRequest request;
    v1::IssueParticipantTokenResponse response;
    ::testing::internal::CaptureStderr();
    const grpc::Status status = stub_->IssueParticipantToken(&context, request, &response);
    std::istringstream logs(::testing::internal::GetCapturedStderr());
    EXPECT_EQ(status.ok(), good) << status.error_message();
    nlohmann::json call;
    for (std::string line; std::getline(logs, line);) {
      auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (json.is_object() && json.value("event", "") == "grpc_call") call = std::move(json);
    }
    EXPECT_TRUE(call.is_object()) << logs.str();
    const auto& answered = good ? context.GetServerInitialMetadata() : context.GetServerTrailingMetadata();
    const auto& other = good ? context.GetServerTrailingMetadata() : context.GetServerInitialMetadata();
    EXPECT_EQ(answered.count("x-request-id"), 1U);
    EXPECT_EQ(other.count("x-request-id"), 0U);
    const auto id = answered.find("x-request-id");
    const std::string request_id = id == answered.end() ? "" : std::string(id->second.data(), id->second.size());
    EXPECT_EQ(call.value("request_id", ""), request_id);
    if (!good) {
      google::rpc::Status details;
      google::rpc::RequestInfo info;
      EXPECT_TRUE(details.ParseFromString(status.error_details()));
      EXPECT_TRUE(details.details_size() > 0 && details.details(details.details_size() - 1).UnpackTo(&info));
      EXPECT_EQ(info.request_id(), request_id);
    }
    return {request_id, call.value("trace_id", ""), call.value("span_id", "")};
  }
};

INSTANTIATE_TEST_SUITE_P(Transports, CorrelationTest, ::testing::Values("tcp", "unix"),
                         [](const auto& info) { return std::string(info.param); });

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpanId[] = "00f067aa0ba902b7";
constexpr char kTraceparent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST_P(CorrelationTest, AnswersAndLogsTheRequestIdThatItWasGivenIfItIsOne) {
  for (const bool good : {true, false}) {
    EXPECT_EQ(Ask({{"x-request-id", "req-77.A_b"}}, good).request_id, "req-77.A_b");
    for (const std::string& bad : {std::string("bad id\"!"), std::string(129, 'a'), std::string()}) {
      const std::string made = Ask({{"x-request-id", bad}}, good).request_id;
      EXPECT_NE(made, bad);
      EXPECT_TRUE(IsRequestId(made)) << made;
    }
    const std::string made = Ask({{"x-request-id", "one"}, {"x-request-id", "two"}}, good).request_id;
    EXPECT_NE(made, "one");
    EXPECT_NE(made, "two");
    EXPECT_NE(Ask({}, good).request_id, Ask({}, good).request_id);
  }
}

TEST_P(CorrelationTest, ContinuesTheTraceThatItWasGivenIfItIsOne) {
  for (const bool good : {true, false}) {
    const Seen seen = Ask({{"traceparent", kTraceparent}, {"tracestate", "a=1"}}, good);
    EXPECT_EQ(seen.trace_id, kTraceId);
    EXPECT_EQ(seen.span_id.size(), 16U);
    EXPECT_NE(seen.span_id, kSpanId);
    for (const std::vector<PresentedHeader>& bad :
         {std::vector<PresentedHeader>(),
          std::vector<PresentedHeader>{{"traceparent", kTraceparent + std::string("-x")}},
          std::vector<PresentedHeader>{{"traceparent", kTraceparent}, {"traceparent", kTraceparent}}}) {
      const Seen made = Ask(bad, good);
      EXPECT_EQ(made.trace_id.size(), 32U);
      EXPECT_NE(made.trace_id, kTraceId);
      EXPECT_EQ(made.span_id.size(), 16U);
    }
  }
}

TEST_P(TokenServerTest, AnswersManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        v1::IssueParticipantTokenResponse response;
        if (IssueRpc({{"x-api-key", KeyOf("web")}}, "", &response).ok()) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 200);
}

// The bytes of a unary call, without generated code.
grpc::Status CallBytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                       const std::string& request, std::string& response) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  const grpc::Slice slice(request);
  grpc::CompletionQueue queue;
  auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  grpc::Slice whole;
  if (status.ok() && answer.DumpToSingleSlice(&whole).ok()) response.assign(whole.begin(), whole.end());
  return status;
}

TEST_P(TokenServerTest, TellsItsHealthUntilItIsDiscouraged) {
  const std::string service = "livekit.token.v1.TokenService";
  const std::string whole_server;
  const auto expect_health = [&](const std::string& expected) {
    for (const std::string& request :
         {whole_server, "\x0a" + std::string(1, static_cast<char>(service.size())) + service}) {
      std::string response;
      ASSERT_TRUE(CallBytes(channel_, "/grpc.health.v1.Health/Check", request, response).ok());
      EXPECT_EQ(response, expected) << request;
    }
  };
  const std::string serving = "\x08\x01";
  const std::string not_serving = "\x08\x02";
  expect_health(not_serving);
  server_->SetServing(true);
  expect_health(serving);
  server_->SetServing(false);
  expect_health(not_serving);
  server_->SetServing(true);
  server_->Discourage();
  expect_health(not_serving);
  server_->SetServing(true);
  expect_health(not_serving);
  // Calls are still answered.
  v1::IssueParticipantTokenResponse issued;
  EXPECT_TRUE(IssueRpc({}, "lobby", &issued).ok());
}

TEST_P(TokenServerTest, OffersReflectionOnlyWhereConfigured) {
  const auto ask = [&] {
    std::string response;
    return CallBytes(channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "", response)
        .error_code();
  };
  EXPECT_EQ(ask(), grpc::StatusCode::UNIMPLEMENTED);
  Serve(state_, {}, /*reflection=*/true);
  EXPECT_EQ(ask(), grpc::StatusCode::OK);
  // What one server of the process offers, the next need not.
  Serve(state_, {});
  EXPECT_EQ(ask(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_P(TokenServerTest, RefusesCallsAfterDraining) {
  v1::IssueParticipantTokenResponse response;
  ASSERT_TRUE(IssueRpc({}, "lobby", &response).ok());
  EXPECT_TRUE(server_->Drain(std::chrono::steady_clock::now() + kPatience));
  EXPECT_TRUE(server_->Drain(std::chrono::steady_clock::now() + kPatience));
  EXPECT_EQ(IssueRpc({}, "lobby", &response).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_P(TokenServerTest, DoesNothingForACallerWhoseTimeIsUp) {
  int issued = 0;
  for (int i = 0; i < 200; ++i) {
    grpc::ClientContext context;
    // As metadata, so that the client itself waits for the answer.
    context.AddMetadata("grpc-timeout", "1u");
    v1::IssueParticipantTokenRequest request;
    *request.mutable_request() = InRoom("lobby");
    v1::IssueParticipantTokenResponse response;
    const auto code = stub_->IssueParticipantToken(&context, request, &response).error_code();
    if (code == grpc::StatusCode::OK) {
      ++issued;
    } else {
      EXPECT_EQ(code, grpc::StatusCode::DEADLINE_EXCEEDED);
    }
  }
  // gRPC rounds times up to the next millisecond, now and then to two. Without the rule nearly all were answered.
  EXPECT_LT(issued, 100);
}

TEST_P(TokenServerTest, EndsConnectionsAtTheirAge) {
  config_.mutable_listen()->mutable_max_connection_age()->set_seconds(1);
  Serve(state_, {});
  const auto start = std::chrono::steady_clock::now();
  v1::IssueParticipantTokenResponse response;
  ASSERT_TRUE(IssueRpc({}, "lobby", &response).ok());
  ASSERT_EQ(channel_->GetState(false), GRPC_CHANNEL_READY);
  EXPECT_TRUE(channel_->WaitForStateChange(GRPC_CHANNEL_READY, std::chrono::system_clock::now() + kPatience));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(800));
  // The next call connects anew.
  EXPECT_TRUE(IssueRpc({}, "lobby", &response).ok());
}

TEST_P(TokenServerTest, ServesAnonymousCallersInDevelopmentMode) {
  BuildOptions options;
  options.environment = testing::NoEnvironment();
  options.dev = true;
  Serve(BuildAuthorityState(DevConfig(testing::NoEnvironment()), options).state, {true, false});
  v1::IssueParticipantTokenResponse issued;
  ASSERT_TRUE(IssueRpc({}, "lobby", &issued).ok());
  EXPECT_EQ(issued.server_url(),
            std::string_view(GetParam()) == "unix" ? "ws://localhost:7880" : "ws://127.0.0.1:7880");
  v1::MintAccessTokenResponse minted;
  EXPECT_TRUE(MintRpc({}, Join("alice", "lobby"), &minted).ok());
  v1::ExplainParticipantTokenResponse explained;
  EXPECT_TRUE(Rpc(&v1::TokenService::Stub::ExplainParticipantToken, {}, {}, &explained).ok());
  EXPECT_EQ(explained.server_url(), issued.server_url());
}

TEST_P(TokenServerTest, BeatsWhileItServes) {
  using Clock = std::chrono::steady_clock;
  Heartbeats heartbeats(std::chrono::milliseconds(5), std::chrono::seconds(1));
  ServerOptions options;
  options.heartbeats = &heartbeats;
  Serve(state_, options);
  // Late by then unless it beats from now on.
  const auto at = Clock::now() + std::chrono::seconds(1);
  const auto patience = Clock::now() + kPatience;
  while (!heartbeats.Late(at).empty() && Clock::now() < patience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(heartbeats.Late(at).empty());
  EXPECT_FALSE(heartbeats.Late(at + kPatience).empty());
  TearDown();
  EXPECT_TRUE(heartbeats.Late(at + kPatience).empty());
}

TEST_P(TokenServerTest, PutsNoSecretIntoAnything) {
  ::testing::internal::CaptureStderr();
  ASSERT_OK(SetLogLevel("debug"));
  std::string said;
  const auto collect = [&](const grpc::Status& status) { said += status.error_message() + status.error_details(); };
  v1::IssueParticipantTokenResponse issued;
  collect(IssueRpc({{"x-api-key", KeyOf("web")}}, "", &issued));
  collect(IssueRpc({{"x-api-key", KeyOf("web") + "x"}}, "", &issued));
  collect(IssueRpc({{"x-api-key", KeyOf("web")}}, kMarker, &issued));
  v1::MintAccessTokenResponse minted;
  collect(MintRpc(Program("recorder"), Join(kMarker, kMarker), &minted));
  collect(MintRpc(Program("root"), Join("alice", "lobby", "main"), &minted));
  ASSERT_OK(SetLogLevel("info"));
  const std::string logs = ::testing::internal::GetCapturedStderr();
  for (const std::string& text : {logs, said, metrics_.Serialize()}) {
    EXPECT_THAT(text, Not(HasSubstr(kMarker)));
    EXPECT_THAT(text, Not(HasSubstr(minted.token())));
  }
}

TEST(TokenServer, RefusesAnAddressThatIsTaken) {
  testing::FakeClock clock;
  Metrics metrics;
  BuildOptions options;
  options.environment = testing::NoEnvironment();
  options.dev = true;
  const auto state = BuildAuthorityState(DevConfig(testing::NoEnvironment()), options).state;
  const Authorities authorities(std::make_shared<const TokenAuthority>(state, clock, metrics));
  config::v1::ServerConfig config;
  config.mutable_listen()->set_grpc("127.0.0.1:0");
  auto first = TokenServer::Start(WithDefaults(config, {}), {}, authorities, metrics);
  ASSERT_OK(first);
  config.mutable_listen()->set_grpc((*first)->address());
  auto second = TokenServer::Start(WithDefaults(config, {}), {}, authorities, metrics);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("cannot be bound"));
}

}  // namespace
}  // namespace livekit::token
