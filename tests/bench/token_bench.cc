// What the core costs. Ratios to HmacOneShot350 of the same run are what counts; `./dev bench` prints them.

#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <chrono>
#include <memory>
#include <string>

#include "livekit/token/access_token.h"
#include "livekit/token/token_verifier.h"
#include "livekit_token_source.pb.h"
#include "protojson/reader.h"

namespace livekit::token {
namespace {

constexpr char kSecret[] = "benchSecret0123456789ABCDEFGHIJKLMNOPQRSTUV";

std::chrono::system_clock::time_point Now() {
  return std::chrono::system_clock::time_point(std::chrono::seconds(1'790'000'000));
}

std::shared_ptr<const ApiKey> Key() { return *ApiKey::Create("APIbenchmarkKey", kSecret); }

// Identity, name, join, room.
v1::Grants SmallGrants() {
  v1::Grants grants;
  grants.set_identity("user-4711");
  grants.set_name("Alice Example");
  grants.mutable_video()->set_room_join(true);
  grants.mutable_video()->set_room("team-standup");
  return grants;
}

std::string Metadata() {
  std::string metadata = "{";
  while (metadata.size() < 1000) metadata += "\"key" + std::to_string(metadata.size()) + "\":\"some value\",";
  metadata.back() = '}';
  metadata.resize(1024, ' ');
  return metadata;
}

// 1 KiB of metadata, ten attributes, one agent dispatch.
v1::Grants LargeGrants() {
  v1::Grants grants = SmallGrants();
  grants.set_metadata(Metadata());
  for (int i = 0; i < 10; ++i) {
    (*grants.mutable_attributes())["attribute-" + std::to_string(i)] = "the value of attribute " + std::to_string(i);
  }
  auto* agent = grants.mutable_room_config()->add_agents();
  agent->set_agent_name("support-agent");
  agent->set_metadata("{\"ticket\":\"T-1234\",\"language\":\"en\"}");
  return grants;
}

std::string SmallBody() {
  return R"({"room_name":"team-standup","participant_identity":"user-4711","participant_name":"Alice Example"})";
}

std::string LargeBody() {
  std::string metadata;
  for (const char c : Metadata()) metadata += c == '"' ? std::string("\\\"") : std::string(1, c);
  std::string attributes;
  for (int i = 0; i < 10; ++i) {
    attributes += (i == 0 ? "" : ",") + std::string("\"attribute-") + std::to_string(i) +
                  "\":\"the value of attribute " + std::to_string(i) + "\"";
  }
  return R"({"room_name":"team-standup","participant_identity":"user-4711","participant_name":"Alice Example",)"
         R"("participant_metadata":")" +
         metadata + R"(","participant_attributes":{)" + attributes +
         R"(},"room_config":{"agents":[{"agent_name":"support-agent","metadata":"{\"ticket\":\"T-1234\"}"}]}})";
}

// The yardstick: one call of OpenSSL's HMAC() over a small token's size.
void HmacOneShot350(benchmark::State& state) {
  const std::string text(350, 'x');
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  for (auto _ : state) {
    HMAC(EVP_sha256(), kSecret, sizeof kSecret - 1, reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         out, &size);
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(HmacOneShot350);

void SignGrants(benchmark::State& state, const v1::Grants& grants) {
  const auto key = Key();
  for (auto _ : state) {
    auto token = Sign(*key, grants, SignOptions(), Now());
    if (!token.ok()) return state.SkipWithError("signing failed");
    benchmark::DoNotOptimize(token->token.data());
  }
}
void SignSmall(benchmark::State& state) { SignGrants(state, SmallGrants()); }
void SignLarge(benchmark::State& state) { SignGrants(state, LargeGrants()); }
BENCHMARK(SignSmall);
BENCHMARK(SignLarge);

void VerifyGrants(benchmark::State& state, const v1::Grants& grants) {
  auto keys = std::make_shared<KeyRing>();
  if (!keys->Add(Key()).ok()) return state.SkipWithError("no key");
  const TokenVerifier verifier(keys);
  const std::string token = Sign(*Key(), grants, SignOptions(), Now())->token;
  for (auto _ : state) {
    const Verdict verdict = verifier.VerifyJoin(token, Now());
    if (!verdict.ok()) return state.SkipWithError("verification failed");
    benchmark::DoNotOptimize(verdict.token->issuer().data());
  }
}
void VerifySmall(benchmark::State& state) { VerifyGrants(state, SmallGrants()); }
void VerifyLarge(benchmark::State& state) { VerifyGrants(state, LargeGrants()); }
BENCHMARK(VerifySmall);
BENCHMARK(VerifyLarge);

void ReadBody(benchmark::State& state, const std::string& body) {
  livekit::TokenSourceRequest request;
  for (auto _ : state) {
    if (!protojson::Read(body, {}, request).ok()) return state.SkipWithError("reading failed");
    benchmark::DoNotOptimize(&request);
  }
}
void ReadBodySmall(benchmark::State& state) { ReadBody(state, SmallBody()); }
void ReadBodyLarge(benchmark::State& state) { ReadBody(state, LargeBody()); }
BENCHMARK(ReadBodySmall);
BENCHMARK(ReadBodyLarge);

}  // namespace
}  // namespace livekit::token

BENCHMARK_MAIN();
