// Rate limits where requests are decided: who is refused, and above all who is not.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "authority_fixture.h"
#include "base/status.h"
#include "gtest/gtest.h"
#include "server/admission.h"
#include "server/dev_config.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kLimits[] = R"(
rate_limits:
  per_principal: 10/s burst 3
  per_address: 10/s burst 3
  per_service: 100/s burst 40
  auth_failures_per_address: 10/s burst 2
  agents_per_principal: 60/m burst 4
  agents_per_service: 10/s burst 5
)";

class AuthorityLimitsTest : public testing::AuthorityFixture {
 protected:
  AuthorityLimitsTest() {
    dir_.Write("programs.yaml", testing::KeyFile({"gateway", "recorder", "brief", "root", "keeper", "vault", "bff"}));
    Use(kLimits);
  }

  // Takes these limits into use, as a reload does.
  void Use(const std::string& limits) {
    // `services` comes last.
    auto state = Build(testing::kServerYaml +
                       std::string("  - { name: bff, match: { authenticator: programs, subject: bff }, projects: "
                                   "[main, other], assert: true, explain: true }\n") +
                       limits);
    AuthorityOptions options;
    options.load = load_;
    authority_ = std::make_unique<TokenAuthority>(std::move(state), clock_, metrics_, options);
  }

  static CallContext From(CallContext context, const std::string& address) {
    context.peer_address = address;
    return context;
  }
  static v1::ErrorReason Reason(const absl::Status& status) {
    return status.ok() ? v1::ERROR_REASON_UNSPECIFIED : ReasonOf(status);
  }
  static void ExpectLimited(const absl::Status& status) {
    EXPECT_EQ(Reason(status), v1::RATE_LIMITED) << status;
    const v1::Error error = ToError(status);
    EXPECT_TRUE(error.has_retry_delay());
    EXPECT_GT(error.retry_delay().seconds() * 1000 + error.retry_delay().nanos() / 1'000'000, 0);
  }
  // How many of `tries` tokens this caller gets at one moment.
  int Issued(const CallContext& context, int tries, const livekit::TokenSourceRequest& request = {}) {
    int issued = 0;
    for (int i = 0; i < tries; ++i) {
      const auto token = Issue(context, request);
      issued += int{token.ok()};
      if (!token.ok()) ExpectLimited(token.status());
    }
    return issued;
  }

  struct Item {
    std::string key;  // in x-api-key; none: a guest
    std::string address;
    int agents = 0;
  };
  // The reasons that the items get; ERROR_REASON_UNSPECIFIED for a token.
  std::vector<v1::ErrorReason> Relay(const std::vector<Item>& items) {
    v1::BatchIssueParticipantTokensRequest request;
    for (const Item& item : items) {
      auto& one = *request.add_items();
      one.set_client_address(item.address);
      if (!item.key.empty()) {
        auto& credential = *one.add_credentials();
        credential.set_header("x-api-key");
        credential.set_value(item.key);
      }
      for (int i = 0; i < item.agents; ++i) {
        one.mutable_request()->mutable_room_config()->add_agents()->set_agent_name("helper");
      }
    }
    const auto answer = BatchIssue(AsCaller("gateway"), request);
    EXPECT_OK(answer);
    std::vector<v1::ErrorReason> reasons;
    if (!answer.ok()) return reasons;
    for (const auto& result : answer->results()) {
      reasons.push_back(result.has_error() ? result.error().reason() : v1::ERROR_REASON_UNSPECIFIED);
      if (result.error().reason() == v1::RATE_LIMITED) {
        EXPECT_TRUE(result.error().has_retry_delay());
      }
    }
    return reasons;
  }
  static int Count(const std::vector<v1::ErrorReason>& reasons, v1::ErrorReason reason) {
    return static_cast<int>(std::count(reasons.begin(), reasons.end(), reason));
  }
  static constexpr v1::ErrorReason kToken = v1::ERROR_REASON_UNSPECIFIED;

  std::shared_ptr<Load> load_ = std::make_shared<Load>();
};

TEST_F(AuthorityLimitsTest, WhoeverAsksAHundredTimesTooOftenIsRefusedAndOthersAreNot) {
  int abuser = 0;
  int other = 0;
  for (int i = 0; i < 1000; ++i) {
    clock_.now += milliseconds(1);  // 1000/s against 10/s
    abuser += Issued(AsPartner("web"), 1);
    if (i % 100 == 0) other += Issued(AsPartner("app"), 1);
  }
  EXPECT_EQ(abuser, 3 + 9);
  EXPECT_EQ(other, 10);
  EXPECT_EQ(Metric("ratelimit_rejected_total{scope=\"per_principal\"}"), 1000 - 12);
}

TEST_F(AuthorityLimitsTest, PrincipalsCountWhereverTheyComeFromAndGuestsByAddress) {
  EXPECT_EQ(Issued(From(AsPartner("web"), "192.0.2.1"), 2), 2);
  EXPECT_EQ(Issued(From(AsPartner("web"), "192.0.2.2"), 5), 1);
  // Guests of the same address have another budget, and so have those of others.
  EXPECT_EQ(Issued(From(As(""), "192.0.2.1"), 5), 3);
  EXPECT_EQ(Issued(From(As(""), "::ffff:192.0.2.1"), 5), 0);
  EXPECT_EQ(Issued(From(As(""), "192.0.2.2"), 5), 3);
  EXPECT_EQ(Issued(From(As(""), "2001:db8::1"), 2), 2);
  EXPECT_EQ(Issued(From(As(""), "2001:db8::ffff:1"), 5), 1);
  EXPECT_EQ(Issued(From(As(""), "2001:db8:0:1::1"), 5), 3);
  // A credential gets its holder out of what guests have used up.
  EXPECT_EQ(Issued(From(AsPartner("app"), "192.0.2.1"), 5), 3);
}

TEST_F(AuthorityLimitsTest, RelayedOnesCountByTheirOwnAddressAndTheirOwnName) {
  const auto guests =
      Relay({{"", "192.0.2.1"}, {"", "192.0.2.1"}, {"", "192.0.2.1"}, {"", "192.0.2.1"}, {"", "192.0.2.2"}});
  EXPECT_EQ(guests, (std::vector{kToken, kToken, kToken, v1::RATE_LIMITED, kToken}));
  const std::string web = testing::KeyOf("web");
  const auto users = Relay({{web, "192.0.2.3"},
                            {web, "192.0.2.4"},
                            {web, "192.0.2.5"},
                            {web, "192.0.2.6"},
                            {testing::KeyOf("app"), "192.0.2.6"}});
  EXPECT_EQ(users, (std::vector{kToken, kToken, kToken, v1::RATE_LIMITED, kToken}));
  // IPv6 as the gateway writes it, without brackets.
  const auto v6 = Relay(
      {{"", "2001:db8::1"}, {"", "2001:db8::2"}, {"", "2001:db8::3"}, {"", "2001:db8::4"}, {"", "2001:db8:0:1::1"}});
  EXPECT_EQ(v6, (std::vector{kToken, kToken, kToken, v1::RATE_LIMITED, kToken}));
  // Whose address nobody knows share one budget.
  const auto unknown = Relay({{"", ""}, {"", "nonsense"}, {"", "192.0.2.9, 192.0.2.10"}, {"", "more nonsense"}});
  EXPECT_EQ(unknown, (std::vector{kToken, kToken, kToken, v1::RATE_LIMITED}));
}

TEST_F(AuthorityLimitsTest, FailuresOfAnAddressDoNotLockItsGoodCredentialsOut) {
  const std::string bad = "web.wrong";
  const std::string good = testing::KeyOf("web");
  const std::string shared = "192.0.2.1";
  EXPECT_EQ(Relay({{bad, shared}, {bad, shared}, {bad, shared}, {bad, shared}, {good, shared}, {"", shared}}),
            (std::vector{v1::AUTHENTICATION_FAILED, v1::AUTHENTICATION_FAILED, v1::RATE_LIMITED, v1::RATE_LIMITED,
                         kToken, kToken}));
  // Failures have not taken from what the name they tried, or the address, may ask for.
  EXPECT_EQ(Relay({{good, shared}, {good, shared}, {"", shared}, {"", shared}}),
            (std::vector{kToken, kToken, kToken, kToken}));
  EXPECT_EQ(Relay({{bad, "192.0.2.2"}}), (std::vector{v1::AUTHENTICATION_FAILED}));
  clock_.now += milliseconds(100);
  EXPECT_EQ(Relay({{bad, shared}, {bad, shared}}), (std::vector{v1::AUTHENTICATION_FAILED, v1::RATE_LIMITED}));
}

TEST_F(AuthorityLimitsTest, FailuresOfCallsCountByThePeer) {
  CallContext bad = From({}, "192.0.2.1");
  bad.credentials = {{{"x-api-key", "web.wrong"}}};
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Reason(Issue(bad, {}).status()), v1::AUTHENTICATION_FAILED);
  ExpectLimited(Issue(bad, {}).status());
  CallContext program = From({}, "192.0.2.1");
  program.caller = {{{std::string(kCallerHeader), "Bearer root.wrong"}}};
  ExpectLimited(Mint(program, Join("rec_1", "acme_1")).status());
  program.peer_address = "192.0.2.2";
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Reason(Mint(program, Join("rec_1", "acme_1")).status()), v1::AUTHENTICATION_FAILED);
  }
  ExpectLimited(Verify(program, "token").status());
  ExpectLimited(BatchIssue(program, {}).status());
  EXPECT_OK(Mint(From(AsCaller("root"), "192.0.2.2"), Join("rec_1", "acme_1", "main")));
  // Nothing presented is nothing guessed.
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Reason(Mint(From({}, "192.0.2.3"), Join("rec_1", "acme_1")).status()), v1::METHOD_NOT_PERMITTED);
  }
}

TEST_F(AuthorityLimitsTest, ServicesCountTheItemsOfBatches) {
  v1::BatchMintAccessTokensRequest batch;
  for (int i = 0; i < 30; ++i) *batch.add_requests() = Join("rec_1", "acme_1");
  EXPECT_OK(BatchMint(AsCaller("recorder"), batch));
  // More than is left: nothing of it, and nothing taken.
  ExpectLimited(BatchMint(AsCaller("recorder"), batch).status());
  for (int i = 0; i < 10; ++i) EXPECT_OK(Mint(AsCaller("recorder"), Join("rec_1", "acme_1")));
  ExpectLimited(Mint(AsCaller("recorder"), Join("rec_1", "acme_1")).status());
  EXPECT_EQ(Metric("ratelimit_rejected_total{scope=\"per_service\"}"), 2);
  EXPECT_EQ(Metric("livekit_token_denied_total{caller=\"recorder\",reason=\"RATE_LIMITED\"}"), 2);
  // Another service is another budget.
  EXPECT_OK(Mint(AsCaller("brief"), Join("a", "b")));
  clock_.now += milliseconds(300);
  EXPECT_OK(BatchMint(AsCaller("recorder"), batch));
}

TEST_F(AuthorityLimitsTest, OfARelayedBatchOnlyWhatIsTooMuchIsRefused) {
  std::vector<Item> items;
  for (int i = 0; i < 50; ++i) items.push_back({"", "192.0.2." + std::to_string(i)});
  const auto reasons = Relay(items);
  EXPECT_EQ(Count(reasons, kToken), 40);
  EXPECT_EQ(Count(reasons, v1::RATE_LIMITED), 10);
  // What is refused for the gateway's sake takes nothing from the users.
  clock_.now += seconds(1);
  EXPECT_EQ(Count(Relay({{"", "192.0.2.49"}, {"", "192.0.2.49"}, {"", "192.0.2.49"}}), kToken), 3);
}

TEST_F(AuthorityLimitsTest, VerifyAndExplainCountForTheServiceOnly) {
  for (int i = 0; i < 40; ++i) EXPECT_OK(Verify(AsCaller("keeper"), "token"));
  ExpectLimited(Verify(AsCaller("keeper"), "token").status());
  v1::ExplainParticipantTokenRequest request;
  request.mutable_presented();
  for (int i = 0; i < 40; ++i) {
    EXPECT_OK(Call(&TokenAuthority::ExplainParticipantToken, AsCaller("bff"), request));
  }
  ExpectLimited(Call(&TokenAuthority::ExplainParticipantToken, AsCaller("bff"), request).status());
  EXPECT_EQ(Issued(As(""), 5), 3);
}

TEST_F(AuthorityLimitsTest, AssertedOnesCountByTheServiceThatStatesThem) {
  v1::IssueParticipantTokenRequest request;
  request.mutable_principal()->set_subject("web");
  const auto issue = [&] {
    return Reason(Call(&TokenAuthority::IssueParticipantToken, AsCaller("bff"), request).status());
  };
  // No policy is for them; they count all the same.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(issue(), v1::NO_POLICY);
  EXPECT_EQ(issue(), v1::RATE_LIMITED);
  request.mutable_principal()->set_subject("app");
  EXPECT_EQ(issue(), v1::NO_POLICY);
  EXPECT_EQ(Issued(AsPartner("web"), 5), 3);
}

TEST_F(AuthorityLimitsTest, AgentsHaveABudgetOfTheirOwn) {
  livekit::TokenSourceRequest one;
  one.mutable_room_config()->add_agents()->set_agent_name("helper");
  EXPECT_EQ(Issued(AsPartner("web"), 3, one), 3);
  clock_.now += milliseconds(300);
  EXPECT_EQ(Issued(AsPartner("web"), 3, one), 1);
  EXPECT_EQ(Metric("ratelimit_rejected_total{scope=\"agents_per_principal\"}"), 2);
  // Without agents there are tokens as before, and others have theirs.
  clock_.now += milliseconds(300);
  EXPECT_EQ(Issued(AsPartner("web"), 3), 3);
  EXPECT_EQ(Issued(AsPartner("app"), 3, one), 3);
  // What the SDKs send when nobody asked for an agent.
  livekit::TokenSourceRequest empty;
  empty.mutable_room_config()->add_agents();
  clock_.now += milliseconds(300);
  EXPECT_EQ(Issued(AsPartner("web"), 3, empty), 3);
}

TEST_F(AuthorityLimitsTest, AgentsOfRefusedRequestsCostNothing) {
  livekit::TokenSourceRequest many;
  for (int i = 0; i < 2; ++i) many.mutable_room_config()->add_agents()->set_agent_name("helper");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Reason(Issue(AsPartner("web"), many).status()), v1::AGENT_NOT_PERMITTED);
  clock_.now += milliseconds(300);
  livekit::TokenSourceRequest one;
  one.mutable_room_config()->add_agents()->set_agent_name("helper");
  EXPECT_EQ(Issued(AsPartner("web"), 3, one), 3);
}

TEST_F(AuthorityLimitsTest, AgentsThatAreMintedCountForTheService) {
  v1::BatchMintAccessTokensRequest batch;
  for (int i = 0; i < 3; ++i) {
    auto& request = *batch.add_requests() = Join("a", "b", "main");
    request.mutable_grants()->mutable_room_config()->add_agents()->set_agent_name("helper");
  }
  EXPECT_OK(BatchMint(AsCaller("root"), batch));
  ExpectLimited(BatchMint(AsCaller("root"), batch).status());
  // The one that was refused has left the two that were left.
  for (int i = 0; i < 2; ++i) EXPECT_OK(Mint(AsCaller("root"), batch.requests(0)));
  ExpectLimited(Mint(AsCaller("root"), batch.requests(0)).status());
  EXPECT_OK(Mint(AsCaller("root"), Join("a", "b", "main")));
  EXPECT_EQ(Metric("ratelimit_rejected_total{scope=\"agents_per_service\"}"), 2);
}

TEST_F(AuthorityLimitsTest, AReloadKeepsWhatHasBeenSpentAndChangesTheRates) {
  EXPECT_EQ(Issued(AsPartner("web"), 5), 3);
  Use(kLimits);
  EXPECT_EQ(Issued(AsPartner("web"), 5), 0);
  Use("rate_limits: { per_principal: 1000/s burst 7 }\n");
  EXPECT_EQ(Issued(AsPartner("web"), 5), 0);
  clock_.now += milliseconds(5);
  EXPECT_EQ(Issued(AsPartner("web"), 9), 5);
  Use("rate_limits: { per_principal: off }\n");
  EXPECT_EQ(Issued(AsPartner("web"), 500), 500);
}

TEST_F(AuthorityLimitsTest, BeyondWhatMayBeInProgressItIsUnavailable) {
  Use(std::string(kLimits) + "  max_in_flight: 3\n");
  // The call itself and two of its items are in progress until the answer; here each ends before the next begins.
  EXPECT_EQ(Count(Relay({{"", "192.0.2.1"}, {"", "192.0.2.2"}, {"", "192.0.2.3"}}), kToken), 3);
  EXPECT_EQ(load_->in_flight, 0);
  v1::BatchMintAccessTokensRequest batch;
  for (int i = 0; i < 4; ++i) *batch.add_requests() = Join("rec_1", "acme_1");
  const auto refused = BatchMint(AsCaller("recorder"), batch).status();
  EXPECT_EQ(Reason(refused), v1::UNAVAILABLE);
  EXPECT_EQ(ToError(refused).retry_delay().seconds(), 1);
  EXPECT_EQ(Metric("ratelimit_rejected_total{scope=\"max_in_flight\"}"), 1);
  load_->in_flight = 2;  // of a generation before
  EXPECT_EQ(Relay({{"", "192.0.2.1"}}), (std::vector{v1::UNAVAILABLE}));
  EXPECT_OK(Mint(AsCaller("recorder"), Join("rec_1", "acme_1")));
  load_->in_flight = 3;
  EXPECT_EQ(Reason(Mint(AsCaller("recorder"), Join("rec_1", "acme_1")).status()), v1::UNAVAILABLE);
  EXPECT_EQ(Reason(Issue(AsPartner("web"), {}).status()), v1::UNAVAILABLE);
  EXPECT_EQ(Reason(Verify(AsCaller("keeper"), "token").status()), v1::UNAVAILABLE);
  EXPECT_EQ(load_->in_flight, 3);
}

TEST_F(AuthorityLimitsTest, EveryProblemIsNamed) {
  BuildOptions options;
  options.environment = testing::NoEnvironment();
  const auto built =
      BuildAuthorityState(testing::ServerConfigOf(testing::InDir(dir_, testing::kServerYaml + std::string(R"(
rate_limits: { per_principal: fast, per_address: 0/s, per_service: 10/d, auth_failures_per_address: "10/s burst",
  agents_per_principal: "-1/s", agents_per_service: "1/s burst 0", max_in_flight: -1 }
)"))),
                          options);
  std::vector<std::string> paths;
  for (const auto& problem : built.problems) paths.push_back(problem.path);
  std::vector<std::string> expected;
  for (const auto& scope : kLimitScopes) expected.push_back("rate_limits." + std::string(scope.name));
  EXPECT_EQ(paths, expected);
}

TEST_F(AuthorityLimitsTest, LimitsAreOnWithoutBeingAskedFor) {
  BuildOptions options;
  options.environment = testing::NoEnvironment();
  config::v1::ServerConfig config = testing::ServerConfigOf(testing::InDir(dir_, testing::kServerYaml));
  config.clear_rate_limits();
  const auto state = BuildAuthorityState(config, options).state;
  const RateLimits& limits = state->rate_limits;
  EXPECT_EQ(limits[LimitScope::kPerPrincipal], (Rate{50, seconds(1), 100}));
  EXPECT_EQ(limits[LimitScope::kPerAddress], (Rate{200, seconds(1), 400}));
  EXPECT_EQ(limits[LimitScope::kPerService], (Rate{10000, seconds(1), 20000}));
  EXPECT_EQ(limits[LimitScope::kAuthFailuresPerAddress], (Rate{20, seconds(1), 40}));
  EXPECT_EQ(limits[LimitScope::kAgentsPerPrincipal], (Rate{60, seconds(60), 60}));
  EXPECT_EQ(limits[LimitScope::kAgentsPerService], (Rate{100, seconds(1), 200}));
  EXPECT_EQ(limits.max_in_flight, 10000);
  // A batch that could never pass is worth a word.
  config.mutable_rate_limits()->set_per_service("100/s");
  const auto warnings = BuildAuthorityState(config, options).warnings;
  const auto names_it = [](const ConfigProblem& warning) { return warning.path == "rate_limits.per_service"; };
  EXPECT_EQ(std::count_if(warnings.begin(), warnings.end(), names_it), 1);
}

TEST(DevLimitsTest, DevelopmentModeHasNone) {
  BuildOptions options;
  options.environment = testing::NoEnvironment();
  options.dev = true;
  const auto state = BuildAuthorityState(DevConfig(testing::NoEnvironment()), options).state;
  const RateLimits& limits = state->rate_limits;
  for (const auto& rate : limits.rates) EXPECT_FALSE(rate.has_value());
  EXPECT_EQ(limits.max_in_flight, 0);
}

}  // namespace
}  // namespace livekit::token
