// What it costs to know who asks and to decide what they may have.

#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "server/authn/jwt.h"
#include "server/build/context.h"
#include "server/build/policies.h"
#include "server/policy.h"
#include "service/config.h"
#include "support/jwt_signer.h"

namespace livekit::token {
namespace {

using testing::SigningKey;

constexpr char kIssuer[] = "https://login.bench.example";

Time Now() { return Time(std::chrono::seconds(1'790'000'000)); }

nlohmann::json BenchClaims(int number) {
  return {{"iss", kIssuer},
          {"aud", "bench"},
          {"sub", "user-" + std::to_string(number)},
          {"plan", "ten"},
          {"tenant", "acme"},
          {"scope", "calls:join openid profile"},
          {"iat", 1'790'000'000 - 10},
          {"exp", 1'790'000'000 + 3600}};
}

// Authenticates `count` tokens in turn where `entries` are remembered.
void Authenticate(benchmark::State& state, const SigningKey& key, jose::Algorithm algorithm, int count,
                  std::size_t entries) {
  auto verification = jose::VerificationKey::FromPem(key.PublicPem());
  if (!verification.ok()) return state.SkipWithError("no key");
  JwtOptions options;
  options.name = "users";
  options.rules.issuer = kIssuer;
  options.rules.audiences = {"bench"};
  options.rules.algorithms.Insert(algorithm);
  options.cache_entries = entries;
  const JwtAuthenticator authenticator(std::move(options),
                                       std::make_shared<StaticKeys>(jose::KeySet{*std::move(verification)}));
  const std::string header = R"({"alg":")" + std::string(jose::AlgorithmName(algorithm)) + R"(","typ":"JWT"})";
  std::vector<Credentials> credentials;
  for (int i = 0; i < count; ++i) {
    const std::string token = testing::MakeJwt(header, BenchClaims(i).dump(), key, algorithm);
    credentials.push_back({{{"authorization", "Bearer " + token}}});
  }
  std::size_t next = 0;
  for (auto _ : state) {
    const Credentials& asked = credentials[next++ % credentials.size()];
    bool good = authenticator.Recognizes(asked);
    authenticator.Authenticate(asked, Now(), [&](auto principal) { good = good && principal.ok(); });
    if (!good) return state.SkipWithError("not authenticated");
  }
}
void JwtRs256(benchmark::State& state) { Authenticate(state, SigningKey::Rsa(), jose::Algorithm::kRs256, 64, 1); }
void JwtEs256(benchmark::State& state) { Authenticate(state, SigningKey::Ec("P-256"), jose::Algorithm::kEs256, 64, 1); }
void JwtCached(benchmark::State& state) { Authenticate(state, SigningKey::Rsa(), jose::Algorithm::kRs256, 64, 1000); }
BENCHMARK(JwtRs256);
BENCHMARK(JwtEs256);
BENCHMARK(JwtCached);

// One decision by a policy with ten rules.
void PolicyTenRules(benchmark::State& state) {
  config::v1::ServerConfig config;
  const ConfigProblems unreadable = ReadYaml(R"(
policies:
  - name: ten
    match: { authenticator: users, claims: { plan: ten }, scopes: ["calls:join"] }
    room: { client: allow, pattern: "[a-z-]{1,64}", max_bytes: 64 }
    identity: { client: if_equal, value: "{subject}" }
    display_name: { client: allow, max_bytes: 64, default: "{claims.name?}" }
    metadata: { client: forbid, value: "{claims.plan}" }
    attributes: { client: allow, keys: [lang], value: { plan: "{claims.plan}", tenant: "{claims.tenant}" } }
    room_config: { client: allow, agents: ["*"], max_agents: 1, max_metadata_bytes: 1024 }
    grants: { can_publish: true, can_subscribe: true, can_publish_data: true }
    ttl: 10m
)",
                                             config);
  const BuildOptions options;
  FileSnapshot files;
  KeyLedger ledger;
  JwksPool jwks;
  build::Context context(options, {&files, &ledger, &jwks});
  auto project = std::make_shared<Project>();
  project->name = "main";
  context.projects.push_back(project);
  context.authenticator_names.insert("users");
  const PolicySet policies(build::BuildPolicies(config, context));
  if (!unreadable.empty() || !context.problems.empty()) return state.SkipWithError("the configuration has problems");
  const Principal principal{"users", "user-4711", Claims(BenchClaims(4711))};
  livekit::TokenSourceRequest request;
  request.set_room_name("team-standup");
  request.set_participant_identity("user-4711");
  request.set_participant_name("Alice Example");
  for (auto _ : state) {
    const auto decision = policies.Decide(principal, request);
    if (!decision.ok()) return state.SkipWithError("refused");
    benchmark::DoNotOptimize(&*decision);
  }
}
BENCHMARK(PolicyTenRules);

}  // namespace
}  // namespace livekit::token

BENCHMARK_MAIN();
