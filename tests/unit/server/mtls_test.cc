#include "server/authn/mtls.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server_fixture.h"

namespace livekit::token {
namespace {

using testing::FakeClock;
using testing::IsRefusal;

constexpr char kGateway[] = "spiffe://acme/ns/calls/sa/gateway";

const MtlsAuthenticator& Workloads() {
  static const MtlsAuthenticator authenticator("workloads", {kGateway, "spiffe://acme/ns/batch/*"},
                                               {"gateway.acme.dev", "*.jobs.acme.dev"});
  return authenticator;
}

Credentials Certificate(std::vector<std::string> uris, std::vector<std::string> dns = {}) {
  Credentials credentials;
  credentials.certificate = PeerCertificate{std::move(uris), std::move(dns)};
  return credentials;
}

absl::StatusOr<Principal> Authenticate(const Credentials& credentials) {
  absl::StatusOr<Principal> result = absl::InternalError("not called");
  Workloads().Authenticate(credentials, FakeClock().Now(),
                           [&](absl::StatusOr<Principal> principal) { result = std::move(principal); });
  return result;
}

TEST(MtlsAuthenticator, TakesTheNameThatMatchesForTheSubject) {
  const std::pair<Credentials, const char*> cases[] = {
      {Certificate({kGateway}), kGateway},
      {Certificate({"spiffe://acme/ns/batch/sa/nightly"}), "spiffe://acme/ns/batch/sa/nightly"},
      {Certificate({}, {"gateway.acme.dev"}), "gateway.acme.dev"},
      {Certificate({}, {"a.jobs.acme.dev"}), "a.jobs.acme.dev"},
      {Certificate({kGateway}, {"localhost"}), kGateway},
      {Certificate({"https://acme.dev/other", kGateway}), kGateway},
  };
  for (const auto& [credentials, subject] : cases) {
    EXPECT_TRUE(Workloads().Recognizes(credentials)) << subject;
    const auto principal = Authenticate(credentials);
    ASSERT_OK(principal) << subject;
    EXPECT_EQ(principal->authenticator, "workloads");
    EXPECT_EQ(principal->subject, subject);
    EXPECT_EQ(principal->service, "");
  }
}

TEST(MtlsAuthenticator, KnowsNoOtherName) {
  const std::string gateway = kGateway;
  const Credentials cases[] = {
      {},
      Certificate({}),
      Certificate({}, {}),
      Certificate({gateway + ".evil"}),
      Certificate({gateway + "/"}),
      Certificate({gateway.substr(0, gateway.size() - 1)}),
      Certificate({"Spiffe://acme/ns/calls/sa/gateway"}),
      Certificate({"spiffe://acme/ns/calls/sa/Gateway"}),
      Certificate({"spiffe://acme/ns/calls/sa/%67ateway"}),
      Certificate({"spiffe://acme//ns/calls/sa/gateway"}),
      Certificate({"xspiffe://acme/ns/calls/sa/gateway"}),
      Certificate({gateway + std::string("\0", 1)}),
      Certificate({gateway + std::string("\0.evil", 6)}),
      Certificate({"spiffe://acme/ns/calls/sa/*"}),
      // A kind of name counts only for its own list.
      Certificate({"gateway.acme.dev"}),
      Certificate({}, {gateway}),
      Certificate({}, {"gateway.acme.dev.evil"}),
      Certificate({}, {"*.acme.dev"}),
      Certificate({}, {"jobs.acme.dev"}),
      {{{"authorization", gateway}}},
  };
  for (const auto& credentials : cases) EXPECT_FALSE(Workloads().Recognizes(credentials));
}

// Which of two its holder is cannot be known.
TEST(MtlsAuthenticator, RefusesTwoNamesThatMatch) {
  for (const auto& credentials :
       {Certificate({kGateway, "spiffe://acme/ns/batch/a"}), Certificate({"spiffe://acme/ns/batch/a", kGateway}),
        Certificate({kGateway}, {"gateway.acme.dev"}), Certificate({kGateway, kGateway}),
        Certificate({}, {"a.jobs.acme.dev", "b.jobs.acme.dev"})}) {
    EXPECT_TRUE(Workloads().Recognizes(credentials));
    const auto result = Authenticate(credentials);
    EXPECT_THAT(result, IsRefusal(v1::AUTHENTICATION_FAILED));
    EXPECT_TRUE(ToError(result.status()).credential_presented());
  }
}

TEST(MtlsAuthenticator, RefusesNamesThatNameNobody) {
  for (const auto& credentials :
       {Certificate({"spiffe://acme/ns/batch/*"}), Certificate({std::string("spiffe://acme/ns/batch/a\0b", 26)}),
        Certificate({"spiffe://acme/ns/batch/a\nb"}), Certificate({"spiffe://acme/ns/batch/\xff"}),
        Certificate({}, {"*.jobs.acme.dev"}), Certificate({}, {std::string("evil\0.jobs.acme.dev", 19)})}) {
    EXPECT_TRUE(Workloads().Recognizes(credentials));
    EXPECT_THAT(Authenticate(credentials), IsRefusal(v1::AUTHENTICATION_FAILED));
  }
}

TEST(MtlsAuthenticator, ReadsNoHeader) {
  EXPECT_TRUE(Workloads().headers().empty());
  EXPECT_EQ(Workloads().proxy_headers(), nullptr);
}

}  // namespace
}  // namespace livekit::token
