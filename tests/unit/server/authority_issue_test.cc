// What the authority issues to participants, asked directly and relayed.

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/authority.h"
#include "server/dev_config.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using testing::AuthorityFixture;
using testing::ClaimsOf;
using ::testing::HasSubstr;
using testing::IsFieldRefusal;
using testing::IsRefusal;
using testing::KeyOf;
using testing::kMarker;
using ::testing::MatchesRegex;
using ::testing::Not;

class IssueParticipantToken : public AuthorityFixture {};
class BatchIssueParticipantTokens : public AuthorityFixture {
 protected:
  using Item = v1::BatchIssueParticipantTokensRequest::Item;

  static v1::BatchIssueParticipantTokensRequest Of(std::vector<Item> items) {
    v1::BatchIssueParticipantTokensRequest request;
    for (auto& item : items) *request.add_items() = std::move(item);
    return request;
  }
  static Item With(const std::string& header, const std::string& value) {
    Item item;
    auto& credential = *item.add_credentials();
    credential.set_header(header);
    credential.set_value(value);
    return item;
  }
  static Item FromGuest(const std::string& room) {
    Item item;
    *item.mutable_request() = InRoom(room);
    return item;
  }
  // The one result of a batch of one.
  v1::BatchIssueParticipantTokensResponse::Result One(const Item& item) {
    auto response = BatchIssue(AsCaller("gateway"), Of({item}));
    EXPECT_OK(response);
    if (!response.ok() || response->results_size() != 1) return {};
    return response->results(0);
  }
};
// --- IssueParticipantToken

TEST_F(IssueParticipantToken, SignsWhatThePolicySays) {
  auto request = livekit::TokenSourceRequest();
  request.set_participant_name("Web");
  (*request.mutable_participant_attributes())["lang"] = "de";
  auto issued = Issue(AsPartner("web"), request);
  ASSERT_OK(issued);
  const json claims = ClaimsOf(issued->participant_token());
  const std::int64_t now = UnixSeconds(clock_.now);
  EXPECT_EQ(claims["jti"], issued->jti());
  const json expected = {{"iss", "APImain"},
                         {"sub", "web"},
                         {"name", "Web"},
                         {"attributes", {{"lang", "de"}}},
                         {"nbf", now},
                         {"iat", now},
                         {"exp", now + 300},
                         {"jti", issued->jti()},
                         {"video",
                          {{"room", "p-web"},
                           {"roomJoin", true},
                           {"canPublish", true},
                           {"canSubscribe", true},
                           {"canPublishData", false}}}};
  EXPECT_EQ(claims, expected);
  EXPECT_EQ(issued->server_url(), "wss://main.example");
  EXPECT_EQ(issued->room_name(), "p-web");
  EXPECT_EQ(issued->participant_identity(), "web");
  EXPECT_EQ(issued->participant_name(), "Web");
  EXPECT_EQ(issued->expire_time().seconds(), now + 300);
  EXPECT_EQ(issued->key_id(), "APImain");
  EXPECT_EQ(Metric(R"(livekit_token_issued_total{caller="partner",key="APImain",kind="participant"})"), 1);
}

TEST_F(IssueParticipantToken, GivesGuestsTheirOwnPolicyAndProject) {
  auto issued = Issue(As(""), InRoom("lobby"));
  ASSERT_OK(issued);
  EXPECT_EQ(issued->key_id(), "APIother");
  EXPECT_THAT(issued->participant_identity(), MatchesRegex("guest-[a-z2-7]{26}"));
  const std::int64_t now = UnixSeconds(clock_.now);
  EXPECT_EQ(ClaimsOf(issued->participant_token())["exp"], now + 900);
  auto again = Issue(As(""), {});
  ASSERT_OK(again);
  EXPECT_THAT(again->room_name(), MatchesRegex("room-[a-z2-7]{26}"));
  EXPECT_NE(again->participant_identity(), issued->participant_identity());
}

TEST_F(IssueParticipantToken, GivesABadCredentialNoGuestsToken) {
  CallContext context;
  for (const PresentedHeader& header : {PresentedHeader{"x-api-key", "web.wrong"},
                                        {"x-api-key", ""},
                                        {"authorization", "Bearer x"},
                                        {"authorization", ""}}) {
    context.credentials = {{header}};
    const auto result = Issue(context, InRoom("lobby"));
    EXPECT_THAT(result, IsRefusal(v1::AUTHENTICATION_FAILED)) << header.name;
    EXPECT_TRUE(ToError(result.status()).credential_presented());
    context.credentials = {};
    context.caller = {{{std::string(kCallerHeader), header.value}}};
    EXPECT_THAT(Issue(context, InRoom("lobby")), IsRefusal(v1::AUTHENTICATION_FAILED));
    context.caller = {};
  }
  EXPECT_EQ(Metric(R"(livekit_token_denied_total{caller="other",reason="AUTHENTICATION_FAILED"})"), 8);
}

TEST_F(IssueParticipantToken, RefusesTwoIdentitiesInOneCall) {
  CallContext context = AsPartner("web");
  context.caller = AsCaller("recorder").caller;
  EXPECT_THAT(Issue(context, {}), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
  context = AsPartner("web");
  context.credentials.headers.push_back({"authorization", "Bearer " + KeyOf("recorder")});
  EXPECT_THAT(Issue(context, {}), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
}

TEST_F(IssueParticipantToken, GivesAGatewayNoTokenOfItsOwn) {
  EXPECT_THAT(Issue(As("gateway"), InRoom("lobby")), IsRefusal(v1::NO_POLICY));
  EXPECT_THAT(Issue(AsCaller("gateway"), InRoom("lobby")), IsRefusal(v1::NO_POLICY));
  EXPECT_OK(Issue(As("recorder"), InRoom("lobby")));
}

TEST_F(IssueParticipantToken, RefusesAnotherIdentityOrRoomThanThePolicySets) {
  auto request = InRoom("p-app");
  EXPECT_THAT(Issue(AsPartner("web"), request), IsFieldRefusal(v1::ROOM_NOT_PERMITTED, std::string("room_name")));
  request = InRoom("p-web");
  request.set_participant_identity("app");
  EXPECT_THAT(Issue(AsPartner("web"), request),
              IsFieldRefusal(v1::IDENTITY_NOT_PERMITTED, std::string("participant_identity")));
  request.set_participant_identity("web");
  EXPECT_OK(Issue(AsPartner("web"), request));
}

TEST_F(IssueParticipantToken, NamesFieldsOfTheRequestInLimits) {
  auto request = livekit::TokenSourceRequest();
  request.set_participant_name(std::string(257, 'n'));
  EXPECT_THAT(Issue(AsPartner("web"), request), IsFieldRefusal(v1::FIELD_TOO_LONG, std::string("participant_name")));
  EXPECT_THAT(Issue(As("recorder"), InRoom(std::string(257, 'r'))),
              IsFieldRefusal(v1::FIELD_TOO_LONG, std::string("room_name")));
  EXPECT_OK(Issue(As("recorder"), InRoom(std::string(256, 'r'))));
}

TEST_F(IssueParticipantToken, NeverSignsCredentialsOfARoomConfig) {
  auto request = livekit::TokenSourceRequest();
  auto& file = *request.mutable_room_config()->mutable_egress()->mutable_tracks();
  file.mutable_s3()->set_bucket("b");
  EXPECT_OK(Issue(AsPartner("web"), request));
  file.mutable_s3()->set_secret("x");
  EXPECT_THAT(Issue(AsPartner("web"), request),
              IsFieldRefusal(v1::CREDENTIALS_IN_ROOM_CONFIG, std::string("room_config.egress.tracks.s3.secret")));
}

TEST_F(IssueParticipantToken, MakesTheAddressFromTheHostWhereTheProjectHasNone) {
  BuildOptions options;
  options.environment = testing::NoEnvironment();
  options.dev = true;
  const auto built = BuildAuthorityState(DevConfig(testing::NoEnvironment()), options);
  ASSERT_EQ(FormatProblems("dev", built.problems), "");
  authority_ = std::make_unique<TokenAuthority>(built.state, clock_, metrics_);
  const std::pair<const char*, const char*> cases[] = {
      {"", "ws://localhost:7880"}, {"10.0.0.5", "ws://10.0.0.5:7880"}, {"::1", "ws://[::1]:7880"}};
  for (const auto& [host, url] : cases) {
    CallContext context;
    context.host = host;
    auto issued = Issue(context, {});
    ASSERT_OK(issued);
    EXPECT_EQ(issued->server_url(), url);
  }
}

// --- BatchIssueParticipantTokens

TEST_F(BatchIssueParticipantTokens, GivesEachItemTheVerdictOfItsOwnCredentials) {
  Item partner = With("x-api-key", KeyOf("web"));
  Item both = partner;
  auto& second = *both.add_credentials();
  second.set_header("authorization");
  second.set_value("Bearer " + KeyOf("recorder"));
  Item wrong_room = partner;
  *wrong_room.mutable_request() = InRoom("p-app");
  const auto response = BatchIssue(AsCaller("gateway"),
                                   Of({partner, FromGuest("lobby"), With("x-api-key", "web.wrong"), both, wrong_room}));
  ASSERT_OK(response);
  ASSERT_EQ(response->results_size(), 5);
  EXPECT_EQ(response->results(0).token().participant_identity(), "web");
  EXPECT_EQ(response->results(0).token().key_id(), "APImain");
  EXPECT_THAT(response->results(1).token().participant_identity(), HasSubstr("guest-"));
  EXPECT_EQ(response->results(1).token().key_id(), "APIother");
  EXPECT_EQ(response->results(2).error().reason(), v1::AUTHENTICATION_FAILED);
  EXPECT_TRUE(response->results(2).error().credential_presented());
  EXPECT_EQ(response->results(3).error().reason(), v1::AMBIGUOUS_CREDENTIALS);
  EXPECT_EQ(response->results(4).error().reason(), v1::ROOM_NOT_PERMITTED);
  ASSERT_EQ(response->results(4).error().fields_size(), 1);
  EXPECT_EQ(response->results(4).error().fields(0).field(), "room_name");
  EXPECT_EQ(Metric(R"(livekit_token_denied_total{caller="gateway",reason="ROOM_NOT_PERMITTED"})"), 1);
  EXPECT_EQ(Metric(R"(livekit_token_issued_total{caller="partner",key="APImain",kind="participant"})"), 1);
  EXPECT_EQ(Metric(R"(livekit_token_issued_total{caller="guest",key="APIother",kind="participant"})"), 1);
}

// The result of a relayed credential is that of the same credential in a call of its own.
TEST_F(BatchIssueParticipantTokens, DecidesAsTheUnaryCallDoes) {
  std::mt19937_64 random(11);
  const PresentedHeader credentials[] = {{"x-api-key", KeyOf("web")},
                                         {"x-api-key", "web.wrong"},
                                         {"authorization", "Bearer " + KeyOf("recorder")},
                                         {"authorization", "Bearer " + KeyOf("gateway")},
                                         {"authorization", "Basic x"}};
  const char* const rooms[] = {"", "p-web", "p-app", "lobby"};
  const char* const identities[] = {"", "web", "recorder", "mallory"};
  for (int i = 0; i < 2'000; ++i) {
    CallContext context;
    Item item;
    for (const auto& header : credentials) {
      if (random() % 4 != 0) continue;
      context.credentials.headers.push_back(header);
      auto& credential = *item.add_credentials();
      credential.set_header(header.name);
      credential.set_value(header.value);
    }
    item.mutable_request()->set_room_name(rooms[random() % 4]);
    item.mutable_request()->set_participant_identity(identities[random() % 4]);
    if (random() % 4 == 0) item.mutable_request()->set_participant_metadata("m");
    auto alone = Issue(context, item.request());
    const auto relayed = One(item);
    ASSERT_EQ(alone.ok(), relayed.has_token()) << item.ShortDebugString();
    if (!alone.ok()) {
      ASSERT_EQ(ToError(alone.status()).SerializeAsString(), relayed.error().SerializeAsString());
      continue;
    }
    json a = ClaimsOf(alone->participant_token());
    json b = ClaimsOf(relayed.token().participant_token());
    for (json* claims : {&a, &b}) {
      claims->erase("jti");
      if ((*claims)["sub"].get<std::string>().rfind("guest-", 0) == 0) claims->erase("sub");
      if ((*claims)["video"]["room"].get<std::string>().rfind("room-", 0) == 0) (*claims)["video"].erase("room");
    }
    ASSERT_EQ(a, b);
  }
}

TEST_F(BatchIssueParticipantTokens, NeverCountsTheCallersHeaderForAnEndUser) {
  // Neither its own key's nor an anonymous token, in any spelling, and it spoils a good credential beside it.
  for (const char* header : {"x-caller-authorization", "X-Caller-Authorization"}) {
    Item item = With(header, "Bearer " + KeyOf("recorder"));
    EXPECT_EQ(One(item).error().reason(), v1::AUTHENTICATION_FAILED) << header;
    auto& user = *item.add_credentials();
    user.set_header("x-api-key");
    user.set_value(KeyOf("web"));
    EXPECT_EQ(One(item).error().reason(), v1::AUTHENTICATION_FAILED) << header;
  }
  EXPECT_EQ(One(With("x-api-key", KeyOf("web"))).token().participant_identity(), "web");
}

// Who stole a gateway's key has no token by relaying that key to the server as if it were an end user's.
TEST_F(BatchIssueParticipantTokens, GivesAGatewayNoTokenForItsOwnCredential) {
  Item item = With("authorization", "Bearer " + KeyOf("gateway"));
  *item.mutable_request() = InRoom("lobby");
  EXPECT_EQ(One(item).error().reason(), v1::NO_POLICY);
  item.mutable_credentials(0)->set_value("Bearer " + KeyOf("recorder"));
  EXPECT_TRUE(One(item).has_token());
}

TEST_F(BatchIssueParticipantTokens, IsForCallersThatRelay) {
  const auto request = Of({FromGuest("lobby")});
  EXPECT_OK(BatchIssue(As("gateway"), request));
  EXPECT_OK(BatchIssue(AsCaller("gateway"), request));
  for (const char* id : {"recorder", "root", "keeper"}) {
    EXPECT_THAT(BatchIssue(As(id), request), IsRefusal(v1::METHOD_NOT_PERMITTED)) << id;
  }
  EXPECT_THAT(BatchIssue(As("nothing"), request), IsRefusal(v1::METHOD_NOT_PERMITTED));
  EXPECT_THAT(BatchIssue(AsPartner("web"), request), IsRefusal(v1::METHOD_NOT_PERMITTED));
  EXPECT_THAT(BatchIssue(As(""), request), IsRefusal(v1::METHOD_NOT_PERMITTED));
  EXPECT_EQ(Metric(R"(livekit_token_denied_total{caller="recorder",reason="METHOD_NOT_PERMITTED"})"), 1);
}

TEST_F(BatchIssueParticipantTokens, BlamesTheCallerForTheCallersCredential) {
  CallContext context;
  context.caller = {{{std::string(kCallerHeader), "Bearer gateway.wrong"}}};
  EXPECT_THAT(BatchIssue(context, Of({FromGuest("lobby")})), IsRefusal(v1::CALLER_AUTHENTICATION_FAILED));
  context = AsCaller("gateway");
  context.credentials = AsPartner("web").credentials;
  EXPECT_THAT(BatchIssue(context, Of({FromGuest("lobby")})), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
}

TEST_F(BatchIssueParticipantTokens, TakesFromOneToAThousandItems) {
  v1::BatchIssueParticipantTokensRequest request;
  EXPECT_THAT(BatchIssue(As("gateway"), request), IsRefusal(v1::BATCH_SIZE_INVALID));
  for (int i = 0; i < 1000; ++i) *request.add_items() = FromGuest("room-" + std::to_string(i));
  const auto response = BatchIssue(As("gateway"), request);
  ASSERT_OK(response);
  ASSERT_EQ(response->results_size(), 1000);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(response->results(i).token().room_name(), "room-" + std::to_string(i));
  *request.add_items() = FromGuest("one more");
  EXPECT_THAT(BatchIssue(As("gateway"), request), IsRefusal(v1::BATCH_SIZE_INVALID));
}

TEST_F(BatchIssueParticipantTokens, TakesUpToOneMebibyte) {
  constexpr std::size_t kMebibyte = 1 << 20;
  auto request = Of({FromGuest("lobby")});
  request.mutable_items(0)->mutable_request()->set_participant_name("n");
  std::string* const padding = request.mutable_items(0)->mutable_client_address();
  padding->assign(kMebibyte - 100, 'x');
  padding->append(kMebibyte - request.ByteSizeLong(), 'x');
  ASSERT_EQ(request.ByteSizeLong(), kMebibyte);
  EXPECT_OK(BatchIssue(As("gateway"), request));
  padding->push_back('x');
  EXPECT_THAT(BatchIssue(As("gateway"), request), IsRefusal(v1::BATCH_SIZE_INVALID));
}

TEST_F(BatchIssueParticipantTokens, RefusesATokenThatIsTooLargeForItsClient) {
  Item item = With("x-api-key", KeyOf("web"));
  item.mutable_request()->set_participant_metadata(std::string(300, 'm'));
  (*item.mutable_request()->mutable_participant_attributes())["k"] = "v";
  const auto size = static_cast<int>(One(item).token().participant_token().size());
  item.set_max_token_bytes(size);
  EXPECT_TRUE(One(item).has_token());
  item.set_max_token_bytes(size - 1);
  const auto metadata = One(item);
  EXPECT_EQ(metadata.error().reason(), v1::TOKEN_TOO_LARGE);
  ASSERT_EQ(metadata.error().fields_size(), 1);
  EXPECT_EQ(metadata.error().fields(0).field(), "participant_metadata");
  (*item.mutable_request()->mutable_participant_attributes())["k"] = std::string(400, 'v');
  EXPECT_EQ(One(item).error().fields(0).field(), "participant_attributes");
  item.mutable_request()->mutable_room_config()->set_metadata(std::string(600, 'r'));
  EXPECT_EQ(One(item).error().fields(0).field(), "room_config");
  // Only tokens that were given count.
  EXPECT_EQ(Metric(R"(livekit_token_issued_total{caller="partner",key="APImain",kind="participant"})"), 2);
}

// --- all of them

TEST_F(AuthorityFixture, PutsNoSecretIntoRefusalsLogsOrMetrics) {
  ::testing::internal::CaptureStderr();
  std::string said;
  const auto collect = [&](const absl::Status& status) {
    EXPECT_FALSE(status.ok());
    said += status.ToString() + ToError(status).ShortDebugString();
  };
  CallContext wrong = AsPartner("web");
  wrong.credentials.headers[0].value += "x";
  collect(Issue(wrong, {}).status());
  collect(Issue(AsPartner("web"), InRoom(kMarker)).status());
  auto request = Join(kMarker, "acme_1");
  collect(Mint(As("recorder"), request).status());
  collect(BatchIssue(wrong, {}).status());
  collect(Verify(wrong, kMarker).status());
  const std::string logs = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(audit_.events.size(), 5U);
  EXPECT_THAT(audit_.lines, Not(HasSubstr(kMarker)));
  EXPECT_THAT(logs, Not(HasSubstr(kMarker)));
  EXPECT_THAT(said, Not(HasSubstr(kMarker)));
  EXPECT_THAT(metrics_.Serialize(), Not(HasSubstr(kMarker)));
}

}  // namespace
}  // namespace livekit::token
