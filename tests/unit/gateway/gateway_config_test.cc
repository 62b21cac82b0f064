#include <set>
#include <string>

#include "gateway/gateway.h"
#include "gateway/handler.h"
#include "gateway/overrides.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/config.h"
#include "service/limits.h"
#include "service/process.h"
#include "support/certificate.h"

namespace livekit::token::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

config::v1::GatewayConfig FromYaml(std::string_view yaml) {
  config::v1::GatewayConfig config;
  EXPECT_THAT(FormatProblems("test", ReadYaml(yaml, config)), "");
  return config;
}

std::vector<std::string> Paths(const config::v1::GatewayConfig& config, GatewayOptions options = {},
                               bool standalone = false) {
  std::vector<std::string> paths;
  for (const auto& problem : CheckGatewayConfig(config, options, standalone)) paths.push_back(problem.path);
  return paths;
}

TEST(CheckGatewayConfig, AcceptsAnEmptyFileAndACompleteOne) {
  EXPECT_THAT(Paths({}), IsEmpty());
  EXPECT_THAT(Paths({}, {true, false}), IsEmpty());
  EXPECT_THAT(Paths({}, {true, true}), IsEmpty());
  EXPECT_THAT(Paths({}, {}, true), IsEmpty());
  const livekit::token::testing::TempFolder folder;
  auto complete = FromYaml(R"(
listen: { http: "127.0.0.1:0", admin: "[::1]:9464" }
server:
  address: dns:///localhost:50051
  caller_token_file: /etc/livekit/key
  max_attempts: 5
  attempt_timeout: 10s
relay_headers: [authorization, x-api-key]
relay_cookies: [session, "*authjs.session-token*"]
trusted_headers: { headers: [x-auth-request-user, x-auth-request-email], networks: [10.0.3.0/24, "::1"] }
cors: { origins: [https://app.acme.dev], credentials: true, headers: [x-api-key] }
token_paths: [/getToken, /v2/tokens.json]
extended_response: true
limits: { body_bytes: 1024, header_timeout: 2s, request_timeout: 500ms, connections: 10 }
log_level: debug
drain: { delay: 0s, timeout: 5s }
trusted_proxies: [10.0.0.0/8, 192.0.2.1, "fd00::/8", "::1"]
)");
  EXPECT_THAT(Paths(complete), ElementsAre("server.caller_token_file"));  // there is no such file
  complete.mutable_server()->set_caller_token_file(folder.Write("key", "gateway.secret\n"));
  EXPECT_THAT(Paths(complete), IsEmpty());
}

TEST(CheckGatewayConfig, ListsEveryProblemWithItsPath) {
  EXPECT_THAT(
      Paths(FromYaml(R"(
listen: { http: "3000", admin: "::1:9464" }
server: { address: "http://token-server" }
relay_headers: [Authorization, x-caller-authorization, cookie, x-api-key, x-api-key, host]
cors: { origins: [https://app.acme.dev/, "*"], credentials: true }
token_paths: [getToken, "/a*", /ok, /ok, "/{x}", /]
limits: { body_bytes: 10, header_bytes: -1, connections: -1, token_bytes: 1, header_timeout: 0s, idle_timeout: 2h }
log_level: loud
access_log_sample: 1.5
drain: { timeout: 2h }
)")),
      UnorderedElementsAre("listen.http", "listen.admin", "server.address", "relay_headers[0]", "relay_headers[1]",
                           "relay_headers[2]", "relay_headers[4]", "relay_headers[5]", "cors.origins[0]",
                           "cors.origins", "cors.credentials", "token_paths[0]", "token_paths[1]", "token_paths[3]",
                           "token_paths[4]", "token_paths[5]", "limits.body_bytes", "limits.header_bytes",
                           "limits.connections", "limits.token_bytes", "limits.header_timeout", "limits.idle_timeout",
                           "log_level", "access_log_sample", "drain.timeout"));
}

TEST(WithDefaults, GivesTheRoutesOfTheTableOfLimitsAndNoOthers) {
  const auto config = WithDefaults({}, {});
  std::set<std::string> routes(config.token_paths().begin(), config.token_paths().end());
  routes.insert({kSandboxPath, "_OTHER"});
  std::set<std::string> rows;
  for (const LimitRow& row : LimitTable()) {
    if (row.surface == "HTTP") rows.emplace(row.name);
  }
  EXPECT_EQ(routes, rows);
}

TEST(CheckGatewayConfig, BoundsTheAttempts) {
  for (const char* good : {"max_attempts: 1", "max_attempts: 5", "attempt_timeout: 10ms", "attempt_timeout: 10s"}) {
    EXPECT_THAT(Paths(FromYaml("server: { " + std::string(good) + " }")), IsEmpty()) << good;
  }
  for (const char* bad : {"max_attempts: -1", "max_attempts: 6", "attempt_timeout: 0s", "attempt_timeout: 9ms",
                          "attempt_timeout: 10s1ms"}) {
    const auto problems = CheckGatewayConfig(FromYaml("server: { " + std::string(bad) + " }"), {}, false);
    ASSERT_EQ(problems.size(), 1u) << bad;
    const std::string name = std::string(bad).substr(0, std::string(bad).find(':'));
    EXPECT_EQ(problems[0].path, "server." + name);
    EXPECT_EQ(problems[0].message, name == "max_attempts" ? "must be between 1 and 5" : "must be between 10ms and 10s");
  }
  const auto defaults = WithDefaults({}, {}).server();
  EXPECT_EQ(defaults.max_attempts(), 4);
  EXPECT_EQ(defaults.attempt_timeout().seconds(), 0);
  EXPECT_EQ(defaults.attempt_timeout().nanos(), 100'000'000);
  const auto stated = WithDefaults(FromYaml("server: { max_attempts: 1, attempt_timeout: 1s }"), {}).server();
  EXPECT_EQ(stated.max_attempts(), 1);
  EXPECT_EQ(stated.attempt_timeout().seconds(), 1);
}

TEST(CheckGatewayConfig, RefusesProxiesThatAreNoNetworksOrEverybody) {
  const auto config = FromYaml(R"(
trusted_proxies: [10.0.0.0/8, proxy.internal, 10.0.0.1/8, 0.0.0.0/0, "::/0", 10.0.0.0/8, 10.0.0.0/33, ""]
)");
  EXPECT_THAT(Paths(config),
              ElementsAre("trusted_proxies[1]", "trusted_proxies[2]", "trusted_proxies[3]", "trusted_proxies[4]",
                          "trusted_proxies[5]", "trusted_proxies[6]", "trusted_proxies[7]"));
  const std::string text = FormatProblems("f", CheckGatewayConfig(config, {}, false));
  EXPECT_THAT(text, HasSubstr("trusted_proxies[1]: is not a network; write a single address or one with"));
  EXPECT_THAT(text, HasSubstr("trusted_proxies[2]: has an address with bits after its prefix; write"));
  EXPECT_THAT(text, HasSubstr("trusted_proxies[3]: would trust everybody"));
  EXPECT_THAT(text, HasSubstr("trusted_proxies[5]: occurs twice"));
}

TEST(CheckGatewayConfig, ReadsTheFilesOfTls) {
  const livekit::token::testing::TempFolder folder;
  const auto files = WriteCertificate(folder, "good");
  const auto other = WriteCertificate(folder, "other");
  config::v1::GatewayConfig config;
  auto& tls = *config.mutable_listen()->mutable_tls();
  tls.set_cert_file(files.cert_file);
  tls.set_key_file(files.key_file);
  for (const GatewayOptions& options : {GatewayOptions{}, {true, false}}) {
    EXPECT_THAT(Paths(config, options), IsEmpty());
    EXPECT_THAT(Paths(config, options, /*standalone=*/true), IsEmpty());
  }
  tls.set_key_file(other.key_file);
  EXPECT_THAT(Paths(config), ElementsAre("listen.tls.key_file"));
  EXPECT_THAT(Paths(config, {}, /*standalone=*/true), ElementsAre("listen.tls.key_file"));
  EXPECT_THAT(FormatProblems("f", CheckGatewayConfig(config, {}, false)),
              HasSubstr("f: listen.tls.key_file: " + other.key_file + ": holds a key that is not the one of"));
  tls.set_cert_file(folder.path() + "/missing");
  EXPECT_THAT(Paths(config), ElementsAre("listen.tls.cert_file"));
  tls.set_key_file(folder.path() + "/missing");
  EXPECT_THAT(Paths(config), ElementsAre("listen.tls.cert_file", "listen.tls.key_file"));
}

TEST(CheckGatewayConfig, NeedsBothFilesOfTls) {
  EXPECT_THAT(Paths(FromYaml("listen: { tls: { cert_file: c } }")), ElementsAre("listen.tls.key_file"));
  EXPECT_THAT(Paths(FromYaml("listen: { tls: { key_file: k } }")), ElementsAre("listen.tls.cert_file"));
  EXPECT_THAT(Paths(FromYaml("listen: { tls: {} }")), ElementsAre("listen.tls.cert_file", "listen.tls.key_file"));
}

TEST(CheckGatewayConfig, KeepsClearTextOnThisMachine) {
  config::v1::GatewayConfig config;
  GatewayOptions plaintext;
  plaintext.allow_plaintext_grpc = true;
  for (const char* address :
       {"token-server:50051", "dns:///token-server:50051", "10.0.0.1:1", "[fd00::1]:1", "ipv4:127.0.0.1:1,10.0.0.1:1",
        "ipv4:10.0.0.1:1,127.0.0.1:1", "token.localhost:1", "ipv6:[::1]:1,[fd00::1]:1"}) {
    config.mutable_server()->set_address(address);
    EXPECT_THAT(Paths(config), ElementsAre("server.address")) << address;
    EXPECT_THAT(Paths(config, {true, false}), ElementsAre("server.address")) << address;
    EXPECT_THAT(Paths(config, plaintext), IsEmpty()) << address;
    EXPECT_THAT(Paths(config, {true, true}), IsEmpty()) << address;
  }
  EXPECT_THAT(FormatProblems("f", CheckGatewayConfig(config, {}, false)), HasSubstr("--allow_plaintext_grpc"));
  for (const char* address : {"localhost:1", "dns:///localhost:1", "127.0.0.1:1", "[::1]:1", "unix:/x",
                              "ipv4:127.0.0.1:1,127.0.0.2:1", "ipv6:[::1]:1", ""}) {
    config.mutable_server()->set_address(address);
    EXPECT_THAT(Paths(config), IsEmpty()) << address;
  }
}

TEST(CheckGatewayConfig, ChecksTlsTowardsServers) {
  const livekit::token::testing::TempFolder folder;
  const auto files = WriteCertificate(folder, "own");
  const auto other = WriteCertificate(folder, "other");
  config::v1::GatewayConfig config;
  config.mutable_server()->set_address("dns:///token-server:50051");
  auto& tls = *config.mutable_server()->mutable_tls();
  EXPECT_THAT(Paths(config), IsEmpty());  // the system's authorities and no certificate of our own
  tls.set_ca_file(files.cert_file);
  tls.set_cert_file(files.cert_file);
  tls.set_key_file(files.key_file);
  tls.set_server_name("token-server.internal");
  EXPECT_THAT(Paths(config), IsEmpty());
  // Two identities at once.
  config.mutable_server()->set_caller_token_file(folder.Write("token", "gateway.secret"));
  EXPECT_THAT(Paths(config), ElementsAre("server.caller_token_file"));
  tls.clear_cert_file();
  EXPECT_THAT(Paths(config), ElementsAre("server.tls.cert_file"));
  tls.clear_key_file();
  EXPECT_THAT(Paths(config), IsEmpty());  // the key identifies, TLS encrypts
  config.mutable_server()->clear_caller_token_file();

  tls.set_cert_file(files.cert_file);
  EXPECT_THAT(Paths(config), ElementsAre("server.tls.key_file"));
  tls.set_key_file(other.key_file);
  EXPECT_THAT(Paths(config), ElementsAre("server.tls.key_file"));
  tls.set_key_file(files.key_file);
  for (const std::string& ca :
       {files.key_file, folder.path() + "/missing",
        folder.Write("bad", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}) {
    tls.set_ca_file(ca);
    EXPECT_THAT(Paths(config), ElementsAre("server.tls.ca_file")) << ca;
  }
  tls.set_ca_file(files.cert_file);
  for (const char* name : {"a b", "Token-Server", "a:1", "https://a", "[::1]"}) {
    tls.set_server_name(name);
    EXPECT_THAT(Paths(config), ElementsAre("server.tls.server_name")) << name;
  }
  tls.clear_server_name();
  config.mutable_server()->set_address("ipv4:10.0.0.1:1,10.0.0.2:1");
  EXPECT_THAT(Paths(config), ElementsAre("server.tls.server_name"));
  tls.set_server_name("token-server.internal");
  EXPECT_THAT(Paths(config), IsEmpty());
}

TEST(CheckGatewayConfig, RefusesTrustedHeadersThatAnybodyCouldSend) {
  const auto config = FromYaml(R"(
relay_headers: [authorization, x-api-key, x_team_key]
trusted_headers:
  headers: [x-auth-request-user, x-api-key, authorization, x-caller-authorization, host, cookie, x-forwarded-user,
            X-User, x_user, x-auth-request-user, "", x-forwarded-for, x-id-bin, x-team-key]
  networks: [10.0.3.0/24, 0.0.0.0/0, "::/0", proxy, 10.0.3.0/24]
)");
  std::vector<std::string> expected;
  for (int i = 1; i < 14; ++i) expected.push_back("trusted_headers.headers[" + std::to_string(i) + "]");
  for (int i = 1; i < 5; ++i) expected.push_back("trusted_headers.networks[" + std::to_string(i) + "]");
  EXPECT_EQ(Paths(config), expected);
  EXPECT_EQ(Paths(config, {}, /*standalone=*/true), expected);
  EXPECT_THAT(Paths(FromYaml("trusted_headers: { headers: [x-user] }")), ElementsAre("trusted_headers.networks"));
  EXPECT_THAT(Paths(FromYaml("trusted_headers: { networks: [10.0.0.1] }")), ElementsAre("trusted_headers.headers"));
}

TEST(CheckGatewayConfig, RefusesDurationsBeyondArithmetic) {
  config::v1::GatewayConfig config;
  config.mutable_limits()->mutable_request_timeout()->set_seconds(INT64_MAX);
  config.mutable_limits()->mutable_header_timeout()->set_seconds(INT64_MIN);
  config.mutable_drain()->mutable_delay()->set_nanos(-1);
  EXPECT_THAT(Paths(config), UnorderedElementsAre("limits.request_timeout", "limits.header_timeout", "drain.delay"));
}

TEST(CheckGatewayConfig, KnowsTwoWaysToDependOnServers) {
  for (const char* known : {"startup", "always", ""}) {
    EXPECT_THAT(Paths(FromYaml(std::string("readiness: { require_backend: '") + known + "' }")), IsEmpty()) << known;
  }
  for (const char* other : {"never", "Always", "start"}) {
    EXPECT_THAT(Paths(FromYaml(std::string("readiness: { require_backend: ") + other + " }")),
                ElementsAre("readiness.require_backend"));
  }
  EXPECT_EQ(WithDefaults({}, {}).readiness().require_backend(), "startup");
}

TEST(CheckGatewayConfig, LeavesReadinessAndDrainOfTheStandaloneToTheServer) {
  EXPECT_THAT(Paths(FromYaml("{ readiness: { require_backend: always }, drain: { delay: 1s } }"), {}, true),
              ElementsAre("readiness", "drain"));
}

TEST(CheckGatewayConfig, KeepsDevelopmentOnLoopback) {
  config::v1::GatewayConfig config;
  for (const char* address : {"localhost:0", "127.0.0.1:3000", "[::1]:3000"}) {
    config.mutable_listen()->set_http(address);
    EXPECT_THAT(Paths(config, {true, false}), IsEmpty()) << address;
  }
  for (const char* address : {"[::]:3000", "0.0.0.0:3000", "192.168.1.5:3000", "8.8.8.8:3000", "host.example:3000"}) {
    config.mutable_listen()->set_http(address);
    EXPECT_THAT(Paths(config, {true, false}), ElementsAre("listen.http")) << address;
    EXPECT_THAT(Paths(config, {true, true}), IsEmpty()) << address;
    EXPECT_THAT(Paths(config, {false, false}), IsEmpty()) << address;
  }
  EXPECT_THAT(Paths({}, {false, true}), ElementsAre(""));
}

TEST(CheckGatewayConfig, LeavesServerAndAdminToTheOtherHalfOfTheStandalone) {
  const auto config = FromYaml("{ listen: { admin: '[::]:1' }, server: { address: 'localhost:1' } }");
  EXPECT_THAT(Paths(config, {}, true), UnorderedElementsAre("listen.admin", "server"));
  EXPECT_THAT(Paths(config), IsEmpty());
}

TEST(WithDefaults, FillsInTheContractsValues) {
  const auto config = WithDefaults({}, {});
  EXPECT_EQ(config.listen().http(), "[::]:3000");
  EXPECT_EQ(config.listen().admin(), "[::]:9464");
  EXPECT_THAT(config.token_paths(), ElementsAre("/getToken", "/api/token"));
  EXPECT_THAT(config.relay_headers(), ElementsAre("authorization"));
  EXPECT_EQ(config.limits().body_bytes(), 65536);
  EXPECT_EQ(config.limits().header_bytes(), 16384);
  EXPECT_EQ(config.limits().header_lines(), 100);
  EXPECT_EQ(config.limits().connections(), 10000);
  EXPECT_EQ(config.limits().token_bytes(), 8192);
  EXPECT_EQ(config.limits().header_timeout().seconds(), 5);
  EXPECT_EQ(config.limits().request_timeout().seconds(), 10);
  EXPECT_EQ(config.limits().idle_timeout().seconds(), 60);
  EXPECT_EQ(WithDefaults(config, {}).SerializeAsString(), config.SerializeAsString());
}

TEST(WithDefaults, NeitherEncryptsNorTrustsAnyone) {
  const auto config = WithDefaults({}, {});
  EXPECT_FALSE(config.listen().has_tls());
  EXPECT_THAT(config.trusted_proxies(), IsEmpty());
}

TEST(WithDefaults, ListensOnLoopbackInDevelopment) {
  EXPECT_EQ(WithDefaults({}, {true, false}).listen().http(), "localhost:3000");
  EXPECT_EQ(WithDefaults({}, {true, false}).listen().admin(), "localhost:9464");
  EXPECT_EQ(WithDefaults({}, {true, true}).listen().http(), "[::]:3000");
  EXPECT_EQ(WithDefaults({}, {true, true}).listen().admin(), "localhost:9464");
}

TEST(WithDefaults, AnswersTheSandboxRouteInDevelopmentOrWhenAsked) {
  EXPECT_FALSE(WithDefaults({}, {}).sandbox());
  EXPECT_TRUE(WithDefaults({}, {true, false}).sandbox());
  EXPECT_TRUE(WithDefaults({}, {true, true}).sandbox());
  EXPECT_TRUE(WithDefaults(FromYaml("{ sandbox: true }"), {}).sandbox());
}

TEST(WithDefaults, DrainsAfterEightSecondsOutsideDevelopment) {
  EXPECT_EQ(WithDefaults({}, {}).drain().delay().seconds(), 8);
  EXPECT_EQ(WithDefaults({}, {true, false}).drain().delay().seconds(), 0);
  EXPECT_EQ(WithDefaults(FromYaml("drain: { delay: 0s }"), {}).drain().delay().seconds(), 0);
}

TEST(WithDefaults, KeepsWhatIsGiven) {
  auto config = FromYaml("{ relay_headers: [x-api-key], token_paths: [/t], drain: { timeout: 0s } }");
  config = WithDefaults(config, {});
  EXPECT_THAT(config.relay_headers(), ElementsAre("x-api-key"));
  EXPECT_THAT(config.token_paths(), ElementsAre("/t"));
  EXPECT_EQ(config.drain().timeout().seconds(), 0);
}

TEST(ApplyOverrides, ReplacesOnlyWhatIsGiven) {
  auto config = FromYaml("{ listen: { http: 'a:1', admin: 'b:2' }, cors: { origins: [https://old.dev] } }");
  ApplyOverrides({}, config);
  EXPECT_THAT(config.cors().origins(), ElementsAre("https://old.dev"));
  GatewayOverrides overrides;
  overrides.http_listen = "c:3";
  overrides.cors_origin = "https://a.dev, https://b.dev,";
  overrides.server_address = "d:4";
  overrides.caller_token_file = "/k";
  ApplyOverrides(overrides, config);
  EXPECT_EQ(config.listen().http(), "c:3");
  EXPECT_EQ(config.listen().admin(), "b:2");
  EXPECT_THAT(config.cors().origins(), ElementsAre("https://a.dev", "https://b.dev"));
  EXPECT_EQ(config.server().address(), "d:4");
  EXPECT_EQ(config.server().caller_token_file(), "/k");
}

TEST(SplitList, DropsSpaceAndEmptyParts) {
  EXPECT_THAT(SplitList(" a ,,b,\tc d,"), ElementsAre("a", "b", "c d"));
  EXPECT_THAT(SplitList(""), IsEmpty());
  EXPECT_THAT(SplitList(" , "), IsEmpty());
}

TEST(CheckGatewayConfig, NamesCookiesThatCannotBeRelayed) {
  EXPECT_THAT(Paths(FromYaml(R"(relay_cookies: [session, "", "*", "**", "a b", "a;b", "a=b", "sess(ion)?", session])")),
              ElementsAre("relay_cookies[1]", "relay_cookies[2]", "relay_cookies[3]", "relay_cookies[4]",
                          "relay_cookies[5]", "relay_cookies[6]", "relay_cookies[7]", "relay_cookies[8]"));
}

// Any page could then send requests with its visitors' cookies.
TEST(CheckGatewayConfig, RefusesCookiesForEveryOrigin) {
  EXPECT_THAT(Paths(FromYaml("{ relay_cookies: [session], cors: { origins: [\"*\"] } }")),
              ElementsAre("relay_cookies"));
  EXPECT_THAT(Paths(FromYaml("{ relay_cookies: [session], cors: { origins: [\"https://app.acme.dev\"] } }")),
              IsEmpty());
}

}  // namespace
}  // namespace livekit::token::gateway
