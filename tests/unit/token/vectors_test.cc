// Every vector through the library. The way over HTTP and gRPC is in tests/integration.

#include "support/vectors.h"

#include <chrono>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "livekit/token/access_token.h"
#include "livekit/token/token_verifier.h"
#include "livekit_token_source.pb.h"
#include "protojson/reader.h"
#include "support/grant_form.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using testing::CompareClaims;
using testing::ExpectsToken;
using testing::LoadVectors;

constexpr std::int64_t kNow = 1'790'000'000;
const std::chrono::system_clock::time_point kNowTime{std::chrono::seconds(kNow)};

absl::StatusOr<SignedToken> SignWithVectorKey(const v1::Grants& grants, const SignOptions& options = {}) {
  return Sign(**ApiKey::Create(testing::kVectorKey, testing::kVectorSecret), grants, options, kNowTime);
}

// The endpoint that the vectors assume: room and identity from the request, nothing else granted.
absl::StatusOr<SignedToken> IssueStandard(const std::string& body) {
  livekit::TokenSourceRequest request;
  LKT_RETURN_IF_ERROR(protojson::Read(body, {}, request));
  v1::Grants grants;
  grants.mutable_video()->set_room_join(true);
  grants.mutable_video()->set_room(request.room_name().empty() ? "generated-room" : request.room_name());
  grants.set_identity(request.participant_identity().empty() ? "generated" : request.participant_identity());
  grants.set_name(request.participant_name());
  grants.set_metadata(request.participant_metadata());
  *grants.mutable_attributes() = request.participant_attributes();
  if (request.has_room_config()) *grants.mutable_room_config() = request.room_config();
  return SignWithVectorKey(grants);
}

TEST(Vectors, StandardForm) {
  const auto vectors = LoadVectors("standard");
  ASSERT_GE(vectors.size(), 40u);
  for (const json& vector : vectors) {
    SCOPED_TRACE(vector.at("id").get<std::string>());
    const auto token = IssueStandard(testing::RequestBody(vector));
    EXPECT_EQ(token.ok(), ExpectsToken(vector)) << token.status();
    EXPECT_EQ(token.ok() ? CompareClaims(vector, token->token) : "", "");
  }
}

TEST(Vectors, CredentialsAreRefusedForThatReason) {
  int count = 0;
  for (const json& vector : LoadVectors("standard")) {
    if (vector["expect"].value("layer", "") != "credentials") continue;
    ++count;
    SCOPED_TRACE(vector.at("id").get<std::string>());
    EXPECT_THAT(IssueStandard(testing::RequestBody(vector)), testing::IsRefusal(v1::CREDENTIALS_IN_ROOM_CONFIG));
  }
  EXPECT_GE(count, 9);
}

TEST(Vectors, GrantForm) {
  const auto vectors = LoadVectors("grant");
  ASSERT_GE(vectors.size(), 20u);
  for (const json& vector : vectors) {
    SCOPED_TRACE(vector.at("id").get<std::string>());
    const json& request = vector.at("request");
    if (request.contains("api_key")) {
      EXPECT_FALSE(
          ApiKey::Create(request["api_key"].get<std::string>(), request["api_secret"].get<std::string>()).ok());
      continue;
    }
    SignOptions options;
    options.allow_sensitive_credentials = request.value("allow_sensitive_credentials", false);
    const auto token = SignWithVectorKey(testing::GrantsFromForm(request), options);
    EXPECT_EQ(token.ok(), ExpectsToken(vector)) << token.status();
    EXPECT_EQ(token.ok() ? CompareClaims(vector, token->token) : "", "");
  }
}

TEST(Vectors, VerifyForm) {
  auto keys = std::make_shared<KeyRing>();
  ASSERT_OK(keys->Add(*ApiKey::Create(testing::kVectorKey, testing::kVectorSecret)));
  const TokenVerifier verifier(keys);
  const auto vectors = LoadVectors("verify");
  ASSERT_GE(vectors.size(), 18u);
  for (const json& vector : vectors) {
    const std::string id = vector.at("id");
    SCOPED_TRACE(id);
    const std::string token = testing::MakeToken(vector, kNow);
    const Verdict verdict = verifier.VerifyJoin(token, kNowTime);
    EXPECT_EQ(verdict.ok(), ExpectsToken(vector)) << Describe(verdict.reason);
    if (vector["expect"].contains("identity")) {
      EXPECT_EQ(verdict.token->grants().identity(), vector["expect"]["identity"].get<std::string>());
    }
    // These are good tokens with which nobody can join.
    const bool only_join =
        id == "verify-no-join" || id == "verify-no-video" || id == "verify-no-identity" || id == "verify-room-empty";
    EXPECT_EQ(verifier.Verify(token, kNowTime).ok(), ExpectsToken(vector) || only_join);
  }
}

}  // namespace
}  // namespace livekit::token
