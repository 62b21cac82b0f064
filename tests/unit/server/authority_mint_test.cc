// What the authority mints for programs, and what it tells them about tokens.

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "authority_fixture.h"
#include "base/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "livekit/token/access_token.h"
#include "server/authority.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using testing::AuthorityFixture;
using testing::ClaimsOf;
using testing::EffectiveOf;
using testing::IsFieldRefusal;
using testing::IsRefusal;
using testing::kSources;

class MintAccessToken : public AuthorityFixture {};
class BatchMintAccessTokens : public AuthorityFixture {};
class VerifyAccessToken : public AuthorityFixture {};

// --- MintAccessToken

TEST_F(MintAccessToken, SignsTheGrantsWithinTheCeiling) {
  auto request = Join("rec_1", "acme_1");
  request.mutable_grants()->mutable_video()->set_hidden(true);
  for (const CallContext& context : {As("recorder"), AsCaller("recorder")}) {
    auto minted = Mint(context, request);
    ASSERT_OK(minted);
    const json expected = {
        {"room", "acme_1"}, {"roomJoin", true}, {"hidden", true}, {"canPublish", false}, {"canPublishData", false}};
    EXPECT_EQ(ClaimsOf(minted->token())["video"], expected);
    EXPECT_EQ(ClaimsOf(minted->token())["jti"], minted->jti());
    EXPECT_EQ(minted->key_id(), "APImain");
    EXPECT_EQ(minted->server_url(), "wss://main.example");
    EXPECT_EQ(minted->expire_time().seconds(), UnixSeconds(clock_.now) + 900);
  }
  EXPECT_EQ(Metric(R"(livekit_token_issued_total{caller="recorder",key="APImain",kind="minted"})"), 2);
}

TEST_F(MintAccessToken, RefusesWhatExceedsTheCeilingWithItsPath) {
  const std::pair<std::function<void(v1::MintAccessTokenRequest&)>, std::pair<v1::ErrorReason, const char*>> cases[] = {
      {[](auto& r) { r.mutable_grants()->mutable_video()->set_room("other"); },
       {v1::ROOM_NOT_PERMITTED, "grants.video.room"}},
      {[](auto& r) { r.mutable_grants()->set_identity("alice"); }, {v1::IDENTITY_NOT_PERMITTED, "grants.identity"}},
      {[](auto& r) { r.mutable_grants()->mutable_video()->set_room_admin(true); },
       {v1::GRANT_NOT_PERMITTED, "grants.video.room_admin"}},
      {[](auto& r) { r.mutable_grants()->mutable_video()->clear_room(); }, {v1::FIELD_REQUIRED, "grants.video.room"}},
      {[](auto& r) { r.mutable_grants()->clear_identity(); }, {v1::FIELD_REQUIRED, "grants.identity"}},
      {[](auto& r) { r.mutable_grants()->set_kind("robot"); }, {v1::FIELD_INVALID, "grants.kind"}},
      {[](auto& r) { r.set_project("other"); }, {v1::PROJECT_NOT_PERMITTED, "project"}},
      {[](auto& r) { r.set_project("nobody"); }, {v1::PROJECT_NOT_PERMITTED, "project"}},
  };
  for (const auto& [change, expected] : cases) {
    auto request = Join("rec_1", "acme_1");
    change(request);
    EXPECT_THAT(Mint(As("recorder"), request), IsFieldRefusal(expected.first, std::string(expected.second)));
  }
}

TEST_F(MintAccessToken, IsForCallersThatMint) {
  const auto request = Join("rec_1", "acme_1");
  for (const char* id : {"gateway", "keeper", "nothing", ""}) {
    EXPECT_THAT(Mint(As(id), request), IsRefusal(v1::METHOD_NOT_PERMITTED)) << id;
  }
  EXPECT_THAT(Mint(AsPartner("web"), request), IsRefusal(v1::METHOD_NOT_PERMITTED));
  CallContext context;
  context.caller = {{{std::string(kCallerHeader), "Bearer recorder.wrong"}}};
  EXPECT_THAT(Mint(context, request), IsRefusal(v1::AUTHENTICATION_FAILED));
  context = AsCaller("recorder");
  context.credentials = As("recorder").credentials;
  EXPECT_THAT(Mint(context, request), IsRefusal(v1::AMBIGUOUS_CREDENTIALS));
}

TEST_F(MintAccessToken, HoldsTheLifetimeWithinTheCeiling) {
  struct Case {
    const char* caller;
    std::int64_t seconds;
    int nanos;
    v1::ErrorReason refusal;  // unspecified: accepted
  };
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kYear = 8760LL * 3600;
  const v1::ErrorReason ok = v1::ERROR_REASON_UNSPECIFIED;
  const Case cases[] = {
      {"recorder", 1, 0, ok},
      {"recorder", 3600, 0, ok},
      {"recorder", 3601, 0, v1::TTL_NOT_PERMITTED},
      {"recorder", 0, 0, v1::FIELD_INVALID},
      {"recorder", -1, 0, v1::FIELD_INVALID},
      {"recorder", 0, 1, v1::FIELD_INVALID},
      {"recorder", 0, 999'999'999, v1::FIELD_INVALID},
      {"recorder", 1, 1, v1::FIELD_INVALID},
      {"recorder", 1, -1, v1::FIELD_INVALID},
      {"recorder", kMax, 0, v1::TTL_NOT_PERMITTED},
      {"recorder", kMin, 0, v1::FIELD_INVALID},
      {"brief", 60, 0, ok},
      {"brief", 61, 0, v1::TTL_NOT_PERMITTED},
      {"root", kYear, 0, ok},
      {"root", kYear + 1, 0, v1::TTL_NOT_PERMITTED},
      {"root", kMax, 0, v1::TTL_NOT_PERMITTED},
      {"root", kMin, 0, v1::FIELD_INVALID},
  };
  for (const Case& c : cases) {
    auto request = Join("rec_1", "acme_1", "main");
    request.mutable_ttl()->set_seconds(c.seconds);
    request.mutable_ttl()->set_nanos(c.nanos);
    auto minted = Mint(As(c.caller), request);
    if (c.refusal != ok) {
      EXPECT_THAT(minted, IsFieldRefusal(c.refusal, std::string("ttl")))
          << c.caller << " " << c.seconds << " " << c.nanos;
      continue;
    }
    ASSERT_OK(minted) << c.caller << " " << c.seconds;
    EXPECT_EQ(ClaimsOf(minted->token())["exp"], UnixSeconds(clock_.now) + c.seconds);
    EXPECT_EQ(minted->expire_time().seconds(), UnixSeconds(clock_.now) + c.seconds);
  }
}

TEST_F(MintAccessToken, TakesTheSmallerOfDefaultAndCeilingWithoutALifetime) {
  const std::pair<const char*, int> cases[] = {{"recorder", 900}, {"brief", 60}, {"root", 900}};
  for (const auto& [caller, seconds] : cases) {
    auto minted = Mint(As(caller), Join("rec_1", "acme_1", "main"));
    ASSERT_OK(minted);
    EXPECT_EQ(ClaimsOf(minted->token())["exp"], UnixSeconds(clock_.now) + seconds) << caller;
  }
}

TEST_F(MintAccessToken, NeedsAProjectWhereTheCallerHasSeveral) {
  EXPECT_THAT(Mint(As("root"), Join("a", "r")), IsFieldRefusal(v1::FIELD_REQUIRED, std::string("project")));
  auto main = Mint(As("root"), Join("a", "r", "main"));
  ASSERT_OK(main);
  EXPECT_EQ(main->key_id(), "APImain");
  auto other = Mint(As("root"), Join("a", "r", "other"));
  ASSERT_OK(other);
  EXPECT_EQ(other->key_id(), "APIother");
  EXPECT_EQ(ClaimsOf(other->token())["iss"], "APIother");
}

TEST_F(MintAccessToken, SignsCredentialsOnlyByExplicitRight) {
  auto request = Join("a", "r", "main");
  request.mutable_grants()->mutable_room_config()->mutable_egress()->mutable_tracks()->mutable_s3()->set_secret("x");
  EXPECT_THAT(Mint(As("root"), request), IsFieldRefusal(v1::CREDENTIALS_IN_ROOM_CONFIG,
                                                        std::string("grants.room_config.egress.tracks.s3.secret")));
  EXPECT_OK(Mint(As("vault"), request));
}

// The same property as of the ceiling alone, through everything and read from the token as a livekit-server would.
TEST_F(MintAccessToken, GrantsNothingBeyondRequestAndCeiling) {
  std::mt19937_64 random(5);
  const testing::Effective permitted =
      EffectiveOf({{"roomJoin", true}, {"hidden", true}, {"canPublish", false}, {"canSubscribe", true}});
  int minted_count = 0;
  for (int i = 0; i < 10'000; ++i) {
    auto request = Join("rec_1", "acme_1");
    auto& video = *request.mutable_grants()->mutable_video();
    json asked = {{"roomJoin", true}};
    const auto state = [&](const char* name, auto set) {
      if (random() % 3 != 0) return;
      const bool value = random() % 4 == 0;
      (video.*set)(value);
      asked[name] = value;
    };
    state("canPublish", &v1::VideoGrant::set_can_publish);
    state("canSubscribe", &v1::VideoGrant::set_can_subscribe);
    state("canPublishData", &v1::VideoGrant::set_can_publish_data);
    state("canUpdateOwnMetadata", &v1::VideoGrant::set_can_update_own_metadata);
    state("hidden", &v1::VideoGrant::set_hidden);
    state("roomAdmin", &v1::VideoGrant::set_room_admin);
    for (const char* source : kSources) {
      if (random() % 4 != 0) continue;
      video.add_can_publish_sources(source);
      asked["canPublishSources"].push_back(source);
    }
    auto minted = Mint(As("recorder"), request);
    if (!minted.ok()) continue;
    ++minted_count;
    const auto got = EffectiveOf(ClaimsOf(minted->token())["video"]);
    ASSERT_TRUE(got.Within(EffectiveOf(asked)) && got.Within(permitted)) << request.ShortDebugString();
  }
  EXPECT_GT(minted_count, 1'000);
}

TEST_F(MintAccessToken, TakesTheTimeOfItsClock) {
  auto first = Mint(As("recorder"), Join("rec_1", "acme_1"));
  clock_.now += std::chrono::milliseconds(999);
  auto same = Mint(As("recorder"), Join("rec_1", "acme_1"));
  clock_.now += std::chrono::milliseconds(1);
  auto next = Mint(As("recorder"), Join("rec_1", "acme_1"));
  EXPECT_EQ(ClaimsOf(first->token())["iat"], ClaimsOf(same->token())["iat"]);
  EXPECT_EQ(ClaimsOf(first->token())["iat"].get<int>() + 1, ClaimsOf(next->token())["iat"].get<int>());
}

TEST_F(MintAccessToken, GivesEveryTokenItsOwnIdInEveryThread) {
  constexpr int kThreads = 4;
  std::vector<std::vector<std::string>> ids(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        authority_->MintAccessToken(As("recorder"), Join("rec_1", "acme_1"),
                                    [&](auto minted) { ids[t].push_back(minted.ok() ? minted->jti() : ""); });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> all;
  for (const auto& some : ids) all.insert(some.begin(), some.end());
  EXPECT_EQ(all.size(), 2000U);
}

// --- BatchMintAccessTokens

TEST_F(BatchMintAccessTokens, MintsAllInOrder) {
  v1::BatchMintAccessTokensRequest request;
  for (int i = 0; i < 1000; ++i) *request.add_requests() = Join("rec_" + std::to_string(i), "acme_1");
  auto response = BatchMint(As("recorder"), request);
  ASSERT_OK(response);
  ASSERT_EQ(response->tokens_size(), 1000);
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(ClaimsOf(response->tokens(i).token())["sub"], "rec_" + std::to_string(i));
    ids.insert(response->tokens(i).jti());
  }
  EXPECT_EQ(ids.size(), 1000U);
}

TEST_F(BatchMintAccessTokens, RefusesNoneAndTooMany) {
  v1::BatchMintAccessTokensRequest request;
  EXPECT_THAT(BatchMint(As("recorder"), request), IsRefusal(v1::BATCH_SIZE_INVALID));
  *request.add_requests() = Join("rec_1", "acme_1");
  EXPECT_OK(BatchMint(As("recorder"), request));
  for (int i = 0; i < 1000; ++i) *request.add_requests() = Join("rec_1", "acme_1");
  EXPECT_THAT(BatchMint(As("recorder"), request), IsRefusal(v1::BATCH_SIZE_INVALID));
}

TEST_F(BatchMintAccessTokens, MintsNoneIfOneIsRefusedAndNamesIt) {
  v1::BatchMintAccessTokensRequest request;
  for (int i = 0; i < 3; ++i) *request.add_requests() = Join("rec_1", "acme_1");
  request.mutable_requests(2)->mutable_grants()->mutable_video()->set_room_admin(true);
  EXPECT_THAT(BatchMint(As("recorder"), request),
              IsFieldRefusal(v1::GRANT_NOT_PERMITTED, std::string("requests[2].grants.video.room_admin")));
  request.mutable_requests(0)->mutable_ttl()->set_seconds(0);
  EXPECT_THAT(BatchMint(As("recorder"), request), IsFieldRefusal(v1::FIELD_INVALID, std::string("requests[0].ttl")));
  *request.mutable_requests(0) = Join("rec_1", "acme_1", "other");
  EXPECT_THAT(BatchMint(As("recorder"), request),
              IsFieldRefusal(v1::PROJECT_NOT_PERMITTED, std::string("requests[0].project")));
}

TEST_F(BatchMintAccessTokens, AnswersAtMostSixteenMebibytes) {
  v1::BatchMintAccessTokensRequest request;
  // Base64 makes 4 bytes of 3, so that 23 tokens with 524,288 bytes of metadata are 16.1 million bytes and 24 too many.
  for (int i = 0; i < 23; ++i) {
    *request.add_requests() = Join("rec_1", "acme_1");
    request.mutable_requests(i)->mutable_grants()->set_metadata(std::string(512 * 1024, 'm'));
  }
  const auto most = BatchMint(As("recorder"), request);
  ASSERT_OK(most);
  EXPECT_LE(most->ByteSizeLong(), TokenAuthority::kMaxMintBatchBytes);
  *request.add_requests() = request.requests(0);
  EXPECT_THAT(BatchMint(As("recorder"), request), IsRefusal(v1::BATCH_SIZE_INVALID));
}

TEST_F(BatchMintAccessTokens, IsForCallersThatMint) {
  v1::BatchMintAccessTokensRequest request;
  *request.add_requests() = Join("rec_1", "acme_1");
  for (const char* id : {"gateway", "keeper", "nothing", ""}) {
    EXPECT_THAT(BatchMint(As(id), request), IsRefusal(v1::METHOD_NOT_PERMITTED)) << id;
  }
}

// --- VerifyAccessToken

TEST_F(VerifyAccessToken, TellsWhatATokenOfTheCallersProjectsSays) {
  for (const char* project : {"main", "other"}) {
    auto minted = Mint(As("root"), Join("alice", "lobby", project));
    ASSERT_OK(minted);
    for (const auto check : {v1::VerifyAccessTokenRequest::TOKEN, v1::VerifyAccessTokenRequest::JOIN}) {
      auto response = Verify(As("root"), minted->token(), check);
      ASSERT_OK(response);
      ASSERT_TRUE(response->has_verified()) << response->ShortDebugString();
      const auto& verified = response->verified();
      EXPECT_EQ(verified.grants().identity(), "alice");
      EXPECT_EQ(verified.grants().video().room(), "lobby");
      EXPECT_EQ(verified.key_id(), minted->key_id());
      EXPECT_EQ(verified.project(), project);
      EXPECT_EQ(verified.jti(), minted->jti());
      EXPECT_EQ(verified.issue_time().seconds(), UnixSeconds(clock_.now));
      EXPECT_EQ(verified.not_before_time().seconds(), UnixSeconds(clock_.now));
      EXPECT_EQ(verified.expire_time().seconds(), minted->expire_time().seconds());
    }
  }
}

TEST_F(VerifyAccessToken, KnowsNoKeyOfOtherProjects) {
  auto minted = Mint(As("root"), Join("alice", "lobby", "main"));
  auto response = Verify(As("keeper"), minted->token());
  ASSERT_OK(response);
  EXPECT_EQ(response->rejection().reason(), v1::ISSUER_UNKNOWN);
  auto other = Mint(As("root"), Join("alice", "lobby", "other"));
  EXPECT_TRUE(Verify(As("keeper"), other->token())->has_verified());
}

TEST_F(VerifyAccessToken, TakesTokensOfKeysThatNoLongerSign) {
  auto key = ApiKey::Create("APIspare", testing::kSpareSecret);
  ASSERT_OK(key);
  auto token = AccessToken().SetIdentity("a").JoinRoom("r").Sign(**key, clock_.now);
  ASSERT_OK(token);
  auto response = Verify(As("root"), token->token);
  ASSERT_TRUE(response->has_verified());
  EXPECT_EQ(response->verified().project(), "main");
  auto forged = ApiKey::Create("APIspare", testing::kOtherSecret);
  EXPECT_EQ(Verify(As("root"), AccessToken().SetIdentity("a").Sign(**forged, clock_.now)->token)->rejection().reason(),
            v1::SIGNATURE_INVALID);
}

TEST_F(VerifyAccessToken, AnswersBadTokensWithTheReason) {
  auto minted = Mint(As("root"), Join("alice", "lobby", "main"));
  ASSERT_OK(minted);
  EXPECT_EQ(Verify(As("root"), "")->rejection().reason(), v1::MALFORMED);
  EXPECT_EQ(Verify(As("root"), "x")->rejection().reason(), v1::MALFORMED);
  std::string changed = minted->token();
  changed[changed.size() - 10] = changed[changed.size() - 10] == 'A' ? 'B' : 'A';
  auto response = Verify(As("root"), changed);
  EXPECT_EQ(response->rejection().reason(), v1::SIGNATURE_INVALID);
  EXPECT_NE(response->rejection().message(), "");
  clock_.now += std::chrono::minutes(16) - std::chrono::seconds(1);
  EXPECT_TRUE(Verify(As("root"), minted->token())->has_verified());
  clock_.now += std::chrono::seconds(1);
  EXPECT_EQ(Verify(As("root"), minted->token())->rejection().reason(), v1::EXPIRED);
}

TEST_F(VerifyAccessToken, ChecksJoiningOnlyWhenAsked) {
  v1::MintAccessTokenRequest request;
  request.set_project("main");
  request.mutable_grants()->mutable_video()->set_room_create(true);
  auto minted = Mint(As("root"), request);
  ASSERT_OK(minted);
  EXPECT_TRUE(Verify(As("root"), minted->token())->has_verified());
  EXPECT_TRUE(Verify(As("root"), minted->token(), v1::VerifyAccessTokenRequest::CHECK_UNSPECIFIED)->has_verified());
  EXPECT_EQ(Verify(As("root"), minted->token(), v1::VerifyAccessTokenRequest::JOIN)->rejection().reason(),
            v1::JOIN_NOT_GRANTED);
}

// A subject means something only together with who vouches for it.
TEST_F(VerifyAccessToken, TellsEqualSubjectsOfTwoAuthenticatorsApart) {
  std::vector<std::unique_ptr<const Authenticator>> authenticators;
  for (const char* name : {"one", "two"}) {
    authenticators.push_back(std::make_unique<ApiKeyAuthenticator>(
        name, std::string("x-") + name, std::vector<ApiKeyRecord>{{"web", Sha256(testing::SecretOf("web")), {}, {}}}));
  }
  ServiceRules service;
  service.name = "service";
  service.authenticator = "one";
  service.subject = "web";
  service.verifier = std::make_shared<const TokenVerifier>(std::make_shared<KeyRing>());
  authority_ = std::make_unique<TokenAuthority>(
      std::make_shared<const AuthorityState>(
          AuthorityState{AuthenticatorSet(std::move(authenticators), ""), PolicySet({}), ServiceSet({service})}),
      clock_, metrics_);
  CallContext context;
  context.credentials = {{{"x-one", testing::KeyOf("web")}}};
  EXPECT_OK(Verify(context, "x"));
  context.credentials = {{{"x-two", testing::KeyOf("web")}}};
  EXPECT_THAT(Verify(context, "x"), IsRefusal(v1::METHOD_NOT_PERMITTED));
}

TEST_F(VerifyAccessToken, IsForCallersThatVerify) {
  auto minted = Mint(As("root"), Join("alice", "lobby", "main"));
  for (const char* id : {"gateway", "recorder", "nothing", ""}) {
    EXPECT_THAT(Verify(As(id), minted->token()), IsRefusal(v1::METHOD_NOT_PERMITTED)) << id;
  }
  EXPECT_THAT(Verify(AsPartner("web"), minted->token()), IsRefusal(v1::METHOD_NOT_PERMITTED));
}

}  // namespace
}  // namespace livekit::token
