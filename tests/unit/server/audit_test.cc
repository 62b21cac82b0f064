// The record of decisions: what it says of each, and that nobody gets an answer that it does not know of.
#include "server/audit.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/audit_log.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using testing::AuthorityFixture;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LineOf;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

nlohmann::ordered_json Parsed(const std::string& line) { return nlohmann::ordered_json::parse(line); }

AuditEvent Full() {
  AuditEvent event;
  event.method = "MintAccessToken";
  event.outcome = kRefused;
  event.reason = v1::ROOM_NOT_PERMITTED;
  for (std::string* text :
       {&event.request_id, &event.trace_id, &event.client, &event.caller, &event.authenticator, &event.principal,
        &event.policy, &event.project, &event.key_id, &event.jti, &event.identity, &event.room, &event.grants}) {
    *text = "x";
  }
  event.generation = "0123456789abcdef";
  event.agents = 2;
  event.expire_time = Time(std::chrono::seconds(1'700'000'900));
  return event;
}

TEST(AuditEvent, HasTheMembersOfTheTableInItsOrder) {
  const auto json = Parsed(LineOf(Full(), Time(std::chrono::seconds(1'700'000'000))));
  std::vector<std::string> names;
  for (const auto& [name, value] : json.items()) names.push_back(name);
  std::vector<std::string> expected;
  for (const AuditField& field : kAuditFields) expected.emplace_back(field.name);
  EXPECT_EQ(names, expected);
  EXPECT_EQ(json["ts"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(json["expire_time"], "2023-11-14T22:28:20.000Z");
  EXPECT_EQ(json["reason"], "ROOM_NOT_PERMITTED");
  EXPECT_EQ(json["agents"], 2);
}

TEST(AuditEvent, LeavesOutWhatIsNotKnown) {
  AuditEvent event;
  event.method = "VerifyAccessToken";
  event.outcome = kRefused;
  EXPECT_EQ(LineOf(event, Time(std::chrono::seconds(0))),
            R"({"ts":"1970-01-01T00:00:00.000Z","event":"audit","outcome":"refused","method":"VerifyAccessToken"})");
}

TEST(AuditEvent, StaysOneLineWhateverItsNamesHold) {
  AuditEvent event = Full();
  event.identity = "eve\r\n{\"event\":\"audit\"}\x85";
  const std::string line = LineOf(event, Time());
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  EXPECT_EQ(Parsed(line)["outcome"], "refused");
}

TEST(SummarizeGrants, NamesWhatIsTrue) {
  v1::Grants grants;
  EXPECT_EQ(SummarizeGrants(grants), "");
  grants.mutable_video()->set_room_join(true);
  grants.mutable_video()->set_can_publish(false);
  grants.mutable_video()->set_can_subscribe(true);
  grants.mutable_video()->set_room("lobby");
  grants.mutable_sip()->set_call(true);
  grants.set_kind("agent");
  EXPECT_EQ(SummarizeGrants(grants), "room_join,can_subscribe,sip,kind=agent");
}

// A grant that LiveKit adds later must not be forgotten.
TEST(SummarizeGrants, NamesEveryGrantThatCanBeTrue) {
  const auto* reflection = v1::VideoGrant::GetReflection();
  const auto* descriptor = v1::VideoGrant::descriptor();
  std::string all;
  v1::Grants every;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_BOOL) continue;
    v1::Grants one;
    reflection->SetBool(one.mutable_video(), field, true);
    EXPECT_EQ(SummarizeGrants(one), field->name());
    reflection->SetBool(every.mutable_video(), field, true);
    all += (all.empty() ? "" : ",") + field->name();
  }
  EXPECT_EQ(SummarizeGrants(every), all);
}

TEST(HideNames, GivesTheSameTextForTheSameNameAndKey) {
  const jose::HmacSha256 key("key"), other("other");
  AuditEvent a = Full(), b = Full(), c = Full();
  b.identity = "y";
  HideNames(key, a);
  HideNames(key, b);
  HideNames(other, c);
  EXPECT_THAT(a.room, StartsWith("hmac:"));
  EXPECT_EQ(a.room, b.room);
  EXPECT_NE(a.identity, b.identity);
  EXPECT_NE(a.identity, c.identity);
  EXPECT_EQ(a.policy, "x");
  AuditEvent nobody;
  HideNames(key, nobody);
  EXPECT_EQ(nobody.principal, "");
}

// --- what is recorded

class AuditTest : public AuthorityFixture {
 protected:
  const AuditEvent& Only() {
    EXPECT_THAT(audit_.events, SizeIs(1));
    return audit_.events.at(0);
  }
};

TEST_F(AuditTest, RecordsWhoGotWhichToken) {
  CallContext context = AsPartner("web");
  context.request_id = "r1";
  context.peer_address = "192.0.2.7";
  const auto issued = Issue(context, InRoom("p-web"));
  ASSERT_OK(issued);
  const AuditEvent& event = Only();
  EXPECT_EQ(event.outcome, kIssued);
  EXPECT_EQ(event.method, "IssueParticipantToken");
  EXPECT_EQ(event.request_id, "r1");
  EXPECT_EQ(event.client, "192.0.2.7");
  EXPECT_EQ(event.caller, "");
  EXPECT_EQ(event.authenticator, "partners");
  EXPECT_EQ(event.principal, "web");
  EXPECT_EQ(event.policy, "partner");
  EXPECT_EQ(event.generation, "0123456789abcdef");
  EXPECT_EQ(event.key_id, issued->key_id());
  EXPECT_EQ(event.jti, issued->jti());
  EXPECT_EQ(event.identity, issued->participant_identity());
  EXPECT_EQ(event.room, issued->room_name());
  EXPECT_THAT(event.grants, StartsWith("room_join"));
  EXPECT_EQ(UnixSeconds(*event.expire_time), issued->expire_time().seconds());
  EXPECT_THAT(audit_.lines, Not(HasSubstr(issued->participant_token())));
}

TEST_F(AuditTest, RecordsRefusalsWithTheirPolicyAndNothingThatWasAskedFor) {
  EXPECT_FALSE(Issue(AsPartner("web"), InRoom("secret-room")).ok());
  const AuditEvent& event = Only();
  EXPECT_EQ(event.outcome, kRefused);
  EXPECT_EQ(event.reason, v1::ROOM_NOT_PERMITTED);
  EXPECT_EQ(event.policy, "partner");
  EXPECT_EQ(event.principal, "web");
  EXPECT_THAT(audit_.lines, Not(HasSubstr("secret-room")));
}

TEST_F(AuditTest, RecordsCredentialsThatFailWithoutThem) {
  CallContext wrong = AsPartner("web");
  wrong.credentials.headers[0].value += "x";
  EXPECT_FALSE(Issue(wrong, {}).ok());
  EXPECT_EQ(Only().reason, v1::AUTHENTICATION_FAILED);
  EXPECT_THAT(audit_.lines, Not(HasSubstr(wrong.credentials.headers[0].value)));
}

TEST_F(AuditTest, RecordsEachItemOfAGatewayWithItsOwnIds) {
  v1::BatchIssueParticipantTokensRequest request;
  auto& good = *request.add_items();
  good.set_request_id("first");
  good.set_client_address("198.51.100.9");
  good.set_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  good.mutable_request()->set_room_name("lobby");
  auto& bad = *request.add_items();
  bad.set_request_id("second\nforged");
  bad.set_client_address("not an address\n");
  bad.set_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n");
  auto& credential = *bad.add_credentials();
  credential.set_header("x-api-key");
  credential.set_value("web.wrong");
  ASSERT_OK(BatchIssue(AsCaller("gateway"), request));
  ASSERT_THAT(audit_.events, SizeIs(2));
  EXPECT_EQ(audit_.events[0].request_id, "first");
  EXPECT_EQ(audit_.events[0].client, "198.51.100.9");
  EXPECT_EQ(audit_.events[0].trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(audit_.events[0].caller, "gateway");
  EXPECT_EQ(audit_.events[0].policy, "guest");
  EXPECT_EQ(audit_.events[1].outcome, kRefused);
  EXPECT_THAT(audit_.events[1].request_id, ::testing::MatchesRegex("[a-z2-7]+"));
  EXPECT_THAT(audit_.events[1].trace_id, SizeIs(32));
  EXPECT_NE(audit_.events[1].trace_id, audit_.events[0].trace_id);
  EXPECT_EQ(audit_.events[1].client, "");
}

TEST_F(AuditTest, RecordsEachTokenOfABatchOrOneRefusal) {
  v1::BatchMintAccessTokensRequest request;
  *request.add_requests() = Join("rec_1", "acme_1");
  *request.add_requests() = Join("rec_2", "acme_2");
  const auto minted = BatchMint(As("recorder"), request);
  ASSERT_OK(minted);
  ASSERT_THAT(audit_.events, SizeIs(2));
  EXPECT_EQ(audit_.events[1].caller, "recorder");
  EXPECT_EQ(audit_.events[1].identity, "rec_2");
  EXPECT_EQ(audit_.events[1].jti, minted->tokens(1).jti());
  EXPECT_EQ(audit_.events[1].policy, "");
  EXPECT_EQ(Metric(R"(livekit_token_issued_total{caller="recorder",key="APImain",kind="minted"})"), 2);

  audit_.events.clear();
  *request.add_requests() = Join("rec_3", "elsewhere");
  EXPECT_FALSE(BatchMint(As("recorder"), request).ok());
  EXPECT_EQ(Only().outcome, kRefused);
  // Nobody has them.
  EXPECT_EQ(Metric(R"(livekit_token_issued_total{caller="recorder",key="APImain",kind="minted"})"), 2);
}

TEST_F(AuditTest, RecordsRefusedCallsOfEveryMethodAndNoVerification) {
  const auto token = Mint(As("root"), Join("alice", "lobby", "main"));
  ASSERT_OK(token);
  audit_.events.clear();
  ASSERT_OK(Verify(As("root"), token->token()));
  ASSERT_OK(Verify(As("root"), "nonsense"));
  EXPECT_THAT(audit_.events, IsEmpty());
  EXPECT_FALSE(Verify(As("recorder"), token->token()).ok());
  EXPECT_FALSE(Mint(As("nothing"), Join("alice", "lobby")).ok());
  EXPECT_FALSE(BatchIssue(AsCaller("recorder"), {}).ok());
  EXPECT_FALSE(
      Call(&TokenAuthority::ExplainParticipantToken, As("recorder"), v1::ExplainParticipantTokenRequest()).ok());
  std::vector<std::string> methods;
  for (const AuditEvent& event : audit_.events) {
    EXPECT_EQ(event.reason, v1::METHOD_NOT_PERMITTED);
    methods.emplace_back(event.method);
  }
  EXPECT_THAT(methods, ElementsAre("VerifyAccessToken", "MintAccessToken", "BatchIssueParticipantTokens",
                                   "ExplainParticipantToken"));
}

TEST_F(AuditTest, HidesNamesWithTheConfiguredKey) {
  dir_.Write("hmac.key", std::string(32, 'k'));
  state_ = Build(std::string(testing::kServerYaml) + "hmac_key_file: $DIR/hmac.key\naudit: { hash_names: true }\n");
  ASSERT_NE(state_, nullptr);
  authority_ = std::make_unique<TokenAuthority>(state_, clock_, metrics_, AuthorityOptions{&audit_, ""});
  ASSERT_OK(Mint(As("root"), Join("alice", "lobby", "main")));
  EXPECT_THAT(Only().identity, StartsWith("hmac:"));
  EXPECT_THAT(audit_.lines, Not(HasSubstr("alice")));
  EXPECT_THAT(audit_.lines, Not(HasSubstr("lobby")));
}

// --- blocking

TEST_F(AuditTest, GivesNoTokenBeforeItIsRecorded) {
  audit_.is_blocking = true;
  absl::StatusOr<v1::MintAccessTokenResponse> answer = absl::InternalError("none yet");
  int answers = 0;
  const auto request = Join("alice", "lobby", "main");
  const auto ask = [&] {
    authority_->MintAccessToken(As("root"), request, [&](absl::StatusOr<v1::MintAccessTokenResponse> result) {
      answer = std::move(result);
      ++answers;
    });
  };
  ask();
  EXPECT_EQ(answers, 0);
  audit_.waiting.at(0)(true);
  EXPECT_EQ(answers, 1);
  ASSERT_OK(answer);
  EXPECT_EQ(Metric(R"(livekit_token_issued_total{caller="root",key="APImain",kind="minted"})"), 1);
  ask();
  audit_.waiting.at(1)(false);
  EXPECT_EQ(answers, 2);
  EXPECT_EQ(ReasonOf(answer.status()), v1::UNAVAILABLE);
  EXPECT_GT(ToError(answer.status()).retry_delay().seconds(), 0);
  EXPECT_EQ(Metric(R"(livekit_token_issued_total{caller="root",key="APImain",kind="minted"})"), 1);
  EXPECT_EQ(Metric(R"(livekit_token_denied_total{caller="root",reason="UNAVAILABLE"})"), 1);
}

// --- where it goes

std::string Content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

config::v1::Audit Into(const std::string& file, bool blocking) {
  config::v1::Audit config;
  config.set_file(file);
  config.set_blocking(blocking);
  return config;
}

// Whether one event was recorded, as its request would hear.
bool RecordOne(AuditLog& log) {
  // The writer's thread may still be in set_value when the test goes on.
  const auto heard = std::make_shared<std::promise<bool>>();
  const AuditEvent event = Full();
  log.Record({&event, 1}, Time(), [heard](bool recorded) { heard->set_value(recorded); });
  return heard->get_future().get();
}

TEST(AuditLog, WritesALineBeforeTheRequestIsAnswered) {
  const testing::TempDir dir;
  const std::string file = dir.Path("audit.jsonl");
  AuditLog log;
  EXPECT_FALSE(RecordOne(log));
  ASSERT_OK(log.Open(Into(file, true)));
  EXPECT_TRUE(log.blocking());
  EXPECT_TRUE(RecordOne(log));
  EXPECT_THAT(Content(file), HasSubstr("\"outcome\":\"refused\""));
  EXPECT_THAT(Content(file), ::testing::EndsWith("}\n"));
}

TEST(AuditLog, RefusesWhenTheDiskIsFull) {
  AuditLog log;
  ASSERT_OK(log.Open(Into("/dev/full", true)));
  EXPECT_FALSE(RecordOne(log));
  EXPECT_EQ(log.dropped(), 1U);
}

TEST(AuditLog, CountsWhatItDropsWhereNobodyWaits) {
  AuditLog log;
  ASSERT_OK(log.Open(Into("/dev/full", false)));
  EXPECT_TRUE(RecordOne(log));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (log.dropped() == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(log.dropped(), 1U);
}

TEST(AuditLog, GoesOnInANewFileWhenTheOldOneHasBeenMoved) {
  const testing::TempDir dir;
  const std::string file = dir.Path("audit.jsonl");
  AuditLog log;
  ASSERT_OK(log.Open(Into(file, true)));
  EXPECT_TRUE(RecordOne(log));
  ASSERT_EQ(std::rename(file.c_str(), (file + ".1").c_str()), 0);
  ASSERT_OK(log.Reopen());
  EXPECT_TRUE(RecordOne(log));
  EXPECT_EQ(Content(file), Content(file + ".1"));
}

TEST(AuditLog, NamesTheFileThatCannotBeOpened) {
  AuditLog log;
  EXPECT_THAT(std::string(log.Open(Into("/nowhere/audit.jsonl", false)).message()), HasSubstr("/nowhere/audit.jsonl"));
}

TEST(CheckAudit, FindsWhatCannotWork) {
  const auto problems = [](const std::string& file, bool hash_names, const std::string& key) {
    config::v1::ServerConfig config;
    config.mutable_audit()->set_file(file);
    config.mutable_audit()->set_hash_names(hash_names);
    config.set_hmac_key_file(key);
    return CheckAudit(config);
  };
  EXPECT_THAT(problems("", false, ""), IsEmpty());
  EXPECT_THAT(problems("/tmp/audit.jsonl", true, "/key"), IsEmpty());
  EXPECT_EQ(problems("", true, "").at(0).path, "audit.hash_names");
  EXPECT_EQ(problems("/tmp", false, "").at(0).path, "audit.file");
  EXPECT_EQ(problems("/nowhere/audit.jsonl", false, "").at(0).path, "audit.file");
  EXPECT_THAT(problems("audit.jsonl", false, ""), IsEmpty());
}

}  // namespace
}  // namespace livekit::token
