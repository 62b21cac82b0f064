// A configuration with administrators, requests to explain, and what becomes of the same requests.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "authority_fixture.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "livekit/token/token_verifier.h"

namespace livekit::token::testing {

class ExplainFixture : public AuthorityFixture {
 protected:
  using Asked = v1::ExplainParticipantTokenRequest;
  using Answer = v1::ExplainParticipantTokenResponse;

  static constexpr char kServices[] = R"(
  - { name: admin, match: { authenticator: programs, subject: admin }, projects: [main, other], explain: true }
  - { name: clerk, match: { authenticator: programs, subject: clerk }, projects: [other], explain: true }
  - { name: bff, match: { authenticator: programs, subject: bff }, projects: [main], assert: true }
  - { name: narrow, match: { authenticator: programs, subject: narrow }, projects: [other], relay: true }
)";

  ExplainFixture() {
    dir_.Write("programs.yaml", KeyFile({"gateway", "recorder", "brief", "root", "keeper", "vault", "nothing", "admin",
                                         "clerk", "bff", "narrow"}));
    Use(std::string(kServerYaml) + kServices);
  }

  void Use(const std::string& yaml) {
    state_ = Build(yaml);
    authority_ = std::make_unique<TokenAuthority>(state_, clock_, metrics_);
  }

  // The configuration of the tests with something replaced.
  static std::string With(const std::string& from, const std::string& to) {
    std::string yaml = std::string(kServerYaml) + kServices;
    const std::size_t at = yaml.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return yaml.replace(at, from.size(), to);
  }

  auto Explain(const CallContext& context, const Asked& asked) {
    const std::string before = Issued();
    auto answer = Call(&TokenAuthority::ExplainParticipantToken, context, asked);
    EXPECT_EQ(Issued(), before);
    if (answer.ok()) {
      const std::string text = answer->DebugString();
      EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("eyJ")));
      EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr(kMarker)));
    }
    return answer;
  }
  Answer Explained(const Asked& asked, const std::string& caller = "admin") {
    const auto answer = Explain(AsCaller(caller), asked);
    EXPECT_OK(answer);
    return answer.ok() ? *answer : Answer();
  }

  // What the same request of an end user gets.
  TokenAuthority::RelayedResult Relayed(const Asked& asked) {
    TokenAuthority::RelayedItem item;
    *item.mutable_request() = asked.request();
    *item.mutable_credentials() = asked.presented().credentials();
    if (asked.presented().has_trusted_headers()) *item.mutable_trusted_headers() = asked.presented().trusted_headers();
    item.set_sandbox_id(asked.sandbox_id());
    item.set_max_token_bytes(asked.max_token_bytes());
    if (!asked.via().empty()) {
      v1::BatchIssueParticipantTokensRequest batch;
      *batch.add_items() = item;
      const auto response = BatchIssue(AsCaller(asked.via()), batch);
      EXPECT_OK(response);
      return response.ok() ? response->results(0) : TokenAuthority::RelayedResult();
    }
    std::optional<TokenAuthority::RelayedResult> result;
    authority_->IssueRelayed(item, [&](TokenAuthority::RelayedResult answer) { result = std::move(answer); });
    EXPECT_TRUE(result.has_value());
    return result.value_or(TokenAuthority::RelayedResult());
  }

  // Whether the explanation is what the same request gets.
  ::testing::AssertionResult IsWhatHappens(const Asked& asked, const Answer& answer) {
    const auto result = Relayed(asked);
    if (result.has_error()) {
      if (answer.has_grants() || answer.has_ttl() || !answer.server_url().empty()) {
        return ::testing::AssertionFailure() << "explains a token that is refused";
      }
      if (!answer.has_refusal() || answer.refusal().SerializeAsString() != result.error().SerializeAsString()) {
        return ::testing::AssertionFailure() << answer.refusal().ShortDebugString() << "\n is not\n"
                                             << result.error().ShortDebugString();
      }
      return ::testing::AssertionSuccess();
    }
    const auto keys = std::make_shared<KeyRing>();
    for (std::size_t i = 0; i < state_->services.size(); ++i) {
      for (const auto& project : state_->services[i].projects) {
        for (const auto& [id, key] : project->keys->keys()) keys->Add(key).IgnoreError();
      }
    }
    const Verdict verdict = TokenVerifier(keys).VerifyJoin(result.token().participant_token(), clock_.now);
    if (!verdict.ok()) return ::testing::AssertionFailure() << "the token is not good";
    std::string difference;
    google::protobuf::util::MessageDifferencer differencer;
    differencer.ReportDifferencesToString(&difference);
    if (!differencer.Compare(verdict.token->grants(), answer.grants())) {
      return ::testing::AssertionFailure() << difference;
    }
    const auto ttl = verdict.token->expire_time() - clock_.now;
    if (std::chrono::seconds(answer.ttl().seconds()) != ttl || answer.server_url() != result.token().server_url()) {
      return ::testing::AssertionFailure() << "ttl or URL";
    }
    return ::testing::AssertionSuccess();
  }

  static Asked Of(const livekit::TokenSourceRequest& request) {
    Asked asked;
    *asked.mutable_request() = request;
    return asked;
  }
  // Presents a key of an end user.
  static Asked Presenting(const std::string& key, const livekit::TokenSourceRequest& request = {}) {
    Asked asked = Of(request);
    auto& credential = *asked.mutable_presented()->add_credentials();
    credential.set_header("x-api-key");
    credential.set_value(key);
    return asked;
  }
  static Asked Imagining(const std::string& authenticator, const std::string& subject,
                         const livekit::TokenSourceRequest& request = {}) {
    Asked asked = Of(request);
    asked.mutable_principal()->set_authenticator(authenticator);
    asked.mutable_principal()->set_subject(subject);
    return asked;
  }

  // The series of tokens that were issued.
  std::string Issued() const {
    std::string lines;
    const std::string text = metrics_.Serialize();
    for (std::size_t at = 0; (at = text.find("\nlivekit_token_issued_total", at)) != std::string::npos;) {
      const std::size_t end = text.find('\n', at + 1);
      lines += text.substr(at, end - at);
      at = end;
    }
    return lines;
  }
};

}  // namespace livekit::token::testing
