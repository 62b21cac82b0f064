// How callers and proxies are configured.

#include <string>

#include "builder_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BuildCallers : public testing::BuildAuthority {
 protected:
  static std::string WithTls(const std::string& yaml) {
    return "listen: { tls: { cert_file: c, key_file: k, client_ca_file: a } }\n" + yaml;
  }
  // A configuration with an authenticator more.
  static std::string And(const std::string& authenticator) {
    return WithAuthenticators(
        "[{ name: app, api_keys: { file: $DIR/partners.yaml } }, { name: guests, anonymous: {} }, " + authenticator +
        "]");
  }
  static std::string Mtls(const std::string& rest) { return And("{ name: workloads, mtls: { " + rest + " } }"); }
  static std::string Proxy(const std::string& rest) { return And("{ name: sso, trusted_headers: { " + rest + " } }"); }
};

constexpr char kMtlsPath[] = "authenticators[2].mtls";
constexpr char kProxyPath[] = "authenticators[2].trusted_headers";

TEST_F(BuildCallers, TakesCertificates) {
  const auto built = BuildFrom(WithTls(Mtls("uri_sans: ['spiffe://acme/ns/calls/*'], dns_sans: [gateway.acme.dev]")));
  EXPECT_EQ(FormatProblems("f", built.problems), "");
  EXPECT_EQ(FormatProblems("f", built.warnings), "");
}

TEST_F(BuildCallers, ChecksCertificates) {
  ExpectProblem(Mtls("uri_sans: [a]"), kMtlsPath, "needs `listen.tls.client_ca_file`");
  ExpectProblem(WithTls(Mtls("")), kMtlsPath, "accepts nobody");
  ExpectProblem(WithTls(Mtls("uri_sans: ['spiffe://acme/(a|b)']")), std::string(kMtlsPath) + ".uri_sans[0]",
                "regular expressions");
  ExpectProblem(WithTls(Mtls("dns_sans: [a.dev, '']")), std::string(kMtlsPath) + ".dns_sans[1]", "is empty");
}

TEST_F(BuildCallers, WarnsOfCertificatesThatIdentifyNobody) {
  const auto built = BuildFrom(WithTls(Parts().Yaml()));
  EXPECT_EQ(FormatProblems("f", built.problems), "");
  ASSERT_EQ(built.warnings.size(), 1U);
  EXPECT_EQ(built.warnings[0].path, "listen.tls.client_ca_file");
}

TEST_F(BuildCallers, TakesProxies) {
  const auto built = BuildFrom(Proxy(
      "subject_header: X-Auth-Request-User, claim_headers: { email: x-auth-request-email }, networks: [10.0.3.0/24]"));
  ASSERT_EQ(FormatProblems("f", built.problems), "");
  EXPECT_THAT(built.state->authenticators.headers(),
              ElementsAre("authorization", "x-api-key", "x-auth-request-email", "x-auth-request-user"));
  EXPECT_EQ(FormatProblems("f", BuildFrom(Proxy("subject_header: x-user")).problems), "");
}

TEST_F(BuildCallers, ChecksProxies) {
  const std::string path = kProxyPath;
  ExpectProblem(Proxy(""), path + ".subject_header", "is required");
  for (const char* name :
       {"authorization", "Authorization", "x-caller-authorization", "cookie", "host", "x-forwarded-user",
        "x-forwarded-for", "forwarded", "x-request-id", "traceparent", "tracestate", "grpc-user", "user-bin"}) {
    ExpectProblem(Proxy("subject_header: " + std::string(name)), path + ".subject_header", "has another use");
  }
  for (const char* name : {"x_user", "x user", "'x:user'", "-user", "'*'"}) {
    ExpectProblem(Proxy("subject_header: " + std::string(name)), path + ".subject_header", "is not a header name");
  }
  ExpectProblem(Proxy("subject_header: x-api-key"), path + ".subject_header", "is the header in which app reads");
  ExpectProblem(Proxy("subject_header: x-user, claim_headers: { key: X-API-Key }"), path + ".claim_headers.key",
                "is the header in which app reads");
  ExpectProblem(Proxy("subject_header: x-user, claim_headers: { a: cookie }"), path + ".claim_headers.a",
                "has another use");
  ExpectProblem(Proxy("subject_header: x-user, claim_headers: { a: '' }"), path + ".claim_headers.a", "is required");
  ExpectProblem(Proxy("subject_header: x-user, networks: [0.0.0.0/0]"), path + ".networks[0]", "everybody");
  ExpectProblem(Proxy("subject_header: x-user, networks: [10.0.0.1, '::/0']"), path + ".networks[1]", "everybody");
  ExpectProblem(Proxy("subject_header: x-user, networks: [proxy.internal]"), path + ".networks[0]", "is not a network");
  ExpectProblem(And("{ name: a, trusted_headers: { subject_header: x-user } }, "
                    "{ name: b, trusted_headers: { subject_header: X-User } }"),
                "authenticators[3].trusted_headers.subject_header", "of another authenticator");
}

TEST_F(BuildCallers, ReadsWhatServicesMayDo) {
  const auto flags = [&](const std::string& rest) {
    const auto built = BuildFrom(WithService("{ name: s, match: { authenticator: app, subject: web }, " + rest + " }"));
    EXPECT_EQ(FormatProblems("f", built.problems), "") << rest;
    const auto& service = built.state->services[0];
    return std::string(service.relay ? "r" : "") + (service.asserts ? "a" : "") + (service.explain ? "e" : "");
  };
  EXPECT_EQ(flags("relay: true"), "r");
  EXPECT_EQ(flags("assert: true"), "a");
  EXPECT_EQ(flags("explain: true"), "e");
  EXPECT_EQ(flags("verify: true"), "");
  ExpectProblem(WithService("{ name: s, match: { authenticator: app, subject: web }, assert: false, explain: false }"),
                "services[0]", "permits nothing");
}

TEST(ServiceSet, FindsEachByAuthenticatorAndSubject) {
  std::vector<ServiceRules> services;
  for (int i = 0; i < 1000; ++i) {
    ServiceRules rules;
    rules.name = std::to_string(i);
    rules.authenticator = i % 2 == 0 ? "even" : "odd";
    rules.subject = "s" + std::to_string(i / 2);
    services.push_back(rules);
  }
  const ServiceSet set(std::move(services));
  EXPECT_EQ(set.Find({"even", "s7", {}})->name, "14");
  EXPECT_EQ(set.Find({"odd", "s7", {}})->name, "15");
  EXPECT_EQ(set.Find({"odd", "s500", {}}), nullptr);
  EXPECT_EQ(set.Find({"", "s7", {}}), nullptr);
  EXPECT_EQ(set.Find({"even", "", {}}), nullptr);
  // An end user whom a service asserts is no program, whatever he is called.
  EXPECT_EQ(set.Find({"even", "s7", {}, "bff"}), nullptr);
}

}  // namespace
}  // namespace livekit::token
