// Requests of people who try: pitfalls D-8 to D-15 and D-31, as bytes on a socket and as calls, from a host that is the
// trusted proxy and from one that is not. Each table has what is accepted beside what is refused.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "nlohmann/json.hpp"
#include "support/jwt_signer.h"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace testing;  // NOLINT: the helpers of tests/support

constexpr char kSecret[] = "MARKER-livekit-secret-0123456789abcdef";
constexpr char kIssuer[] = "https://login.example/";

long Now() { return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()); }

const SigningKey& IssuerKey() {
  static const auto* const key = new SigningKey(SigningKey::Rsa());
  return *key;
}

json GoodClaims() { return {{"iss", kIssuer}, {"aud", "calls"}, {"sub", "ann"}, {"exp", Now() + 300}, {"iat", Now()}}; }
std::string Sign(const json& claims, const std::string& header = R"({"alg":"RS256","typ":"JWT"})") {
  return MakeJwt(header, claims.dump(), IssuerKey(), jose::Algorithm::kRs256);
}

// What became of a request: `201`, or a status and a reason.
std::string Verdict(const std::optional<RawResponse>& response) {
  if (!response) return "no answer";
  if (response->status == 201) return "201";
  const json body = json::parse(response->body, nullptr, false);
  const bool has_reason = body.is_object() && body.contains("reason");
  return std::to_string(response->status) + (has_reason ? " " + body["reason"].get<std::string>() : "");
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  details.ParseFromString(status.error_details());
  for (const auto& detail : details.details()) {
    if (detail.UnpackTo(&info)) return info.reason();
  }
  return "no reason: " + status.error_message();
}

class HostilePeers : public ::testing::Test {
 protected:
  // Every kind of credential, guests too, and proxies at `proxies`.
  void Start(const std::string& proxies) {
    folder_.Write("issuer.pem", IssuerKey().PublicPem());
    folder_.Write("partners.yaml",
                  "keys:\n  - { id: acme, sha256: " + HexEncode(Sha256("MARKER-secret-of-acme")) + " }\n");
    const std::string yaml =
        std::string("projects:\n  - { name: main, client_url: wss://a.example, keys: { env: true } }\n") +
        // Every table asks more often with bad credentials than a client should.
        R"(rate_limits: { auth_failures_per_address: off }
authenticators:
  - { name: users, jwt: { issuer: ")" +
        kIssuer + R"(", audiences: [calls], public_key_file: )" + folder_.path() +
        R"(/issuer.pem } }
  - { name: far, jwt: { issuer: "https://far.example", audiences: [calls], allow_http: true, jwks_uri: "http://169.254.169.254/keys" } }
  - { name: partners, api_keys: { file: )" +
        folder_.path() + R"(/partners.yaml } }
  - { name: sso, trusted_headers: { subject_header: x-auth-request-user, networks: )" +
        proxies + R"( } }
  - { name: session, forward_auth: { url: "http://127.0.0.1:9/s", allow_http: true, forward_cookies: [session], subject: { json: id } } }
  - { name: guests, anonymous: {} }
policies:
  - { name: user, match: { authenticator: users }, room: { client: allow, default: r } }
  - { name: far, match: { authenticator: far }, room: { client: allow, default: r } }
  - { name: partner, match: { authenticator: partners }, room: { client: allow, default: r } }
  - { name: sso, match: { authenticator: sso }, room: { client: allow, default: r } }
  - { name: session, match: { authenticator: session }, room: { client: allow, default: r } }
  - { name: guest, match: { authenticator: guests }, room: { client: allow, default: r } }
gateway:
  relay_headers: [authorization, x-api-key]
  relay_cookies: [session]
  trusted_headers: { headers: [x-auth-request-user], networks: )" +
        proxies + R"( }
  cors: { origins: [https://app.example] }
)";
    program_ = std::make_unique<Program>(
        "livekit-token-standalone",
        std::vector<std::string>{"--config=" + folder_.Write("token.yaml", yaml), "--http_listen=127.0.0.1:0",
                                 "--grpc_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0"},
        std::map<std::string, std::string>{{"LIVEKIT_API_KEY", "APItest"}, {"LIVEKIT_API_SECRET", kSecret}});
    const int grpc = program_->AwaitPort("grpc");
    ASSERT_NE(grpc, 0) << program_->Output();
    http_port_ = program_->AwaitPort("http");
    admin_port_ = program_->AwaitPort("admin");
    stub_ = v1::TokenService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(grpc), grpc::InsecureChannelCredentials()));
  }
  void TearDown() override {
    if (program_ == nullptr) return;
    EXPECT_THAT(program_->Output(), Not(HasSubstr("MARKER")));
  }

  std::optional<RawResponse> Send(const std::string& bytes) const { return RawClient(http_port_).Exchange(bytes); }
  // A POST with these header lines; `lines` have their ends.
  std::string Post(const std::string& lines, const std::string& path = "/getToken") const {
    return Verdict(Send(PostRequest(path, "{}", lines)));
  }
  // The identity in the token that a POST gives.
  std::string IdentityFor(const std::string& lines, const std::string& path = "/getToken") const {
    const auto response = Send(PostRequest(path, "{}", lines));
    if (!response || response->status != 201) return Verdict(response);
    const std::string token = json::parse(response->body)["participant_token"];
    const std::size_t dot = token.find('.');
    const auto claims = Base64UrlDecode(std::string_view(token).substr(dot + 1, token.rfind('.') - dot - 1));
    return json::parse(claims.value_or("{}"))["sub"];
  }
  // The same request as a call; `201 IDENTITY` or the reason.
  std::string Call(const std::vector<std::pair<std::string, std::string>>& metadata) const {
    grpc::ClientContext context;
    for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::IssueParticipantTokenResponse response;
    const grpc::Status status = stub_->IssueParticipantToken(&context, {}, &response);
    return status.ok() ? "201 " + response.participant_identity() : ReasonOf(status);
  }

  TempFolder folder_;
  std::unique_ptr<Program> program_;
  std::unique_ptr<v1::TokenService::Stub> stub_;
  int http_port_ = 0;
  int admin_port_ = 0;
};

struct Row {
  std::string name;
  std::string lines;
  std::string verdict;
};

constexpr char kUser[] = "X-Auth-Request-User: ann\r\n";

// --- D-11: headers of a proxy

TEST_F(HostilePeers, D11FromTheProxy) {
  Start("[127.0.0.1]");
  EXPECT_EQ(IdentityFor(kUser), "ann");
  // None of these decides who the user is, or whether there is one.
  for (const char* line : {"X-Forwarded-User: root", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Host: evil.example",
                           "X-Forwarded-Uri: /livez", "X-Forwarded-Proto: https", "X-Original-URL: /livez",
                           "Forwarded: for=10.0.0.1", "X-Real-IP: 127.0.0.1", "REMOTE_ADDR: 127.0.0.1",
                           "X-Auth-Request-Email: root@example", "User-Agent: kube-probe/1.29",
                           // A hop may take away what is named here; this one takes nothing away.
                           "Connection: x-auth-request-user", "Connection: keep-alive, X-Auth-Request-User"}) {
    EXPECT_EQ(IdentityFor(std::string(kUser) + line + "\r\n"), "ann") << line;
    EXPECT_EQ(Post(std::string(line) + "\r\n"), "401 AUTHENTICATION_REQUIRED") << line;
  }
  const std::vector<Row> rows = {
      {"names nobody", "", "401 AUTHENTICATION_REQUIRED"},
      {"names nobody, with an empty header", "X-Auth-Request-User:\r\n", "401 AUTHENTICATION_REQUIRED"},
      {"names nobody, with a blank header", "X-Auth-Request-User:  \r\n", "401 AUTHENTICATION_REQUIRED"},
      {"underscores", "X_Auth_Request_User: ann\r\n", "400 AMBIGUOUS_CREDENTIALS"},
      {"some underscores", "X-Auth_Request-User: ann\r\n", "400 AMBIGUOUS_CREDENTIALS"},
      {"underscores beside the right one", std::string(kUser) + "x_auth_request_user: root\r\n",
       "400 AMBIGUOUS_CREDENTIALS"},
      {"twice", std::string(kUser) + kUser, "400 AMBIGUOUS_CREDENTIALS"},
      {"twice, with another case", std::string(kUser) + "x-auth-request-user: root\r\n", "400 AMBIGUOUS_CREDENTIALS"},
      {"no UTF-8", "X-Auth-Request-User: \xff\r\n", "400 MALFORMED_REQUEST"},
      {"space before the colon", "X-Auth-Request-User : ann\r\n", "400 MALFORMED_REQUEST"},
      {"a folded line", "X-Auth-Request-User: a\r\n nn\r\n", "400 MALFORMED_REQUEST"},
      {"with a credential of the user's own", std::string(kUser) + "X-API-Key: acme.MARKER-secret-of-acme\r\n",
       "400 AMBIGUOUS_CREDENTIALS"},
  };
  for (const Row& row : rows) EXPECT_EQ(Post(row.lines), row.verdict) << row.name;
  EXPECT_EQ(IdentityFor("X-Auth-Request-User:   ann  \r\n"), "ann");  // white space is not part of a value
}

TEST_F(HostilePeers, D11FromAnybodyElse) {
  Start("[127.0.0.9]");
  EXPECT_EQ(Post(""), "201");  // a guest
  const std::vector<Row> rows = {
      {"the header", kUser, "401 AUTHENTICATION_FAILED"},
      {"empty", "X-Auth-Request-User:\r\n", "401 AUTHENTICATION_FAILED"},
      {"underscores", "X_Auth_Request_User: ann\r\n", "401 AUTHENTICATION_FAILED"},
      {"some underscores", "X-Auth_Request-User: ann\r\n", "401 AUTHENTICATION_FAILED"},
      {"said to be forwarded by the proxy", std::string(kUser) + "X-Forwarded-For: 127.0.0.9\r\n",
       "401 AUTHENTICATION_FAILED"},
      {"said to come from the proxy", std::string(kUser) + "X-Real-IP: 127.0.0.9\r\nForwarded: for=127.0.0.9\r\n",
       "401 AUTHENTICATION_FAILED"},
      {"with an address as header", std::string(kUser) + "REMOTE_ADDR: 127.0.0.9\r\n", "401 AUTHENTICATION_FAILED"},
      // It must not vanish and leave a guest.
      {"hop by hop", std::string(kUser) + "Connection: x-auth-request-user\r\n", "401 AUTHENTICATION_FAILED"},
      {"hop by hop among others", std::string(kUser) + "Connection: keep-alive, X-Auth-Request-User\r\n",
       "401 AUTHENTICATION_FAILED"},
      {"beside a good key", std::string(kUser) + "X-API-Key: acme.MARKER-secret-of-acme\r\n",
       "401 AUTHENTICATION_FAILED"},
  };
  for (const Row& row : rows) EXPECT_EQ(Post(row.lines), row.verdict) << row.name;
}

TEST_F(HostilePeers, D11OnGrpc) {
  Start("[127.0.0.1]");
  EXPECT_EQ(Call({{"x-auth-request-user", "ann"}}), "201 ann");
  EXPECT_EQ(Call({{"x-auth-request-user", "ann"}, {"x-forwarded-for", "10.0.0.1"}, {"x-forwarded-user", "root"}}),
            "201 ann");
  EXPECT_EQ(Call({}), "AUTHENTICATION_REQUIRED");
  // gRPC knows no other spelling of a name; these are other headers, which say nothing.
  EXPECT_EQ(Call({{"x_auth_request_user", "ann"}}), "AUTHENTICATION_REQUIRED");
  EXPECT_EQ(Call({{"x-auth-request-user-bin", "ann"}}), "AUTHENTICATION_REQUIRED");
  EXPECT_EQ(Call({{"x-auth-request-user", "ann"}, {"x-auth-request-user", "root"}}), "AMBIGUOUS_CREDENTIALS");
  EXPECT_EQ(Call({{"x-auth-request-user", "ann"}, {"x-api-key", "acme.MARKER-secret-of-acme"}}),
            "AMBIGUOUS_CREDENTIALS");
}

TEST_F(HostilePeers, D11OnGrpcFromAnybodyElse) {
  Start("[127.0.0.9]");
  EXPECT_THAT(Call({}), HasSubstr("201 guest-"));
  EXPECT_EQ(Call({{"x-auth-request-user", "ann"}}), "AUTHENTICATION_FAILED");
  EXPECT_EQ(Call({{"x-auth-request-user", ""}}), "AUTHENTICATION_FAILED");
  EXPECT_EQ(Call({{"x-auth-request-user", "ann"}, {"x-forwarded-for", "127.0.0.9"}}), "AUTHENTICATION_FAILED");
  EXPECT_EQ(Call({{"x-auth-request-user", "ann"}, {"x-api-key", "acme.MARKER-secret-of-acme"}}),
            "AUTHENTICATION_FAILED");
}

// --- D-8, D-9: tokens; over both ways

TEST_F(HostilePeers, D8D9TokensThatAreNone) {
  Start("[127.0.0.9]");
  const json good = GoodClaims();
  const auto with = [&](const char* name, const json& value) {
    json claims = good;
    claims[name] = value;
    return claims;
  };
  const std::string sound = Sign(good);
  EXPECT_EQ(IdentityFor("Authorization: Bearer " + sound + "\r\n"), "ann");
  EXPECT_EQ(Call({{"authorization", "Bearer " + sound}}), "201 ann");

  const SigningKey as_secret = SigningKey::Hmac(IssuerKey().PublicPem());
  const SigningKey livekit = SigningKey::Hmac(kSecret);
  const json livekit_claims = {
      {"iss", "APItest"}, {"sub", "ann"}, {"exp", Now() + 300}, {"video", {{"roomJoin", true}}}};
  const std::vector<std::pair<const char*, std::string>> tokens = {
      {"D-8: none", MakeJwt(R"({"alg":"none"})", good.dump(), "x")},
      {"D-8: None", MakeJwt(R"({"alg":"None"})", good.dump(), "x")},
      {"D-8: no signature", sound.substr(0, sound.rfind('.') + 1)},
      {"D-8: no algorithm", MakeJwt("{}", good.dump(), IssuerKey(), jose::Algorithm::kRs256)},
      {"D-8: the public key as a secret",
       MakeJwt(R"({"alg":"HS256"})", good.dump(), as_secret, jose::Algorithm::kHs256)},
      {"D-8: an extension", Sign(good, R"({"alg":"RS256","crit":["exp"],"exp":1})")},
      {"D-8: a key in the token", Sign(good, R"({"alg":"ES256","jwk":)" + SigningKey::Ec("P-256").Jwk() + "}")},
      {"D-8: another's signature",
       MakeJwt(R"({"alg":"RS256"})", good.dump(), SigningKey::Rsa(), jose::Algorithm::kRs256)},
      {"D-9: a token for LiveKit",
       MakeJwt(R"({"alg":"HS256"})", livekit_claims.dump(), livekit, jose::Algorithm::kHs256)},
      {"D-9: with grants for LiveKit", Sign(with("video", {{"roomJoin", true}}))},
      {"D-9: for another audience", Sign(with("aud", "app-client-id"))},
      {"D-9: for no audience", Sign(with("aud", json::array()))},
      {"D-9: a list of issuers", Sign(with("iss", {kIssuer}))},
      {"D-9: another type", Sign(good, R"({"alg":"RS256","typ":"logout+jwt"})")},
      {"D-9: without end", Sign([&] {
         json claims = good;
         claims.erase("exp");
         return claims;
       }())},
  };
  for (const auto& [name, token] : tokens) {
    EXPECT_EQ(Post("Authorization: Bearer " + token + "\r\n"), "401 AUTHENTICATION_FAILED") << name;
    EXPECT_EQ(Call({{"authorization", "Bearer " + token}}), "AUTHENTICATION_FAILED") << name;
  }
}

// --- D-10: keys at an address that is never asked

TEST_F(HostilePeers, D10MetadataAddressesAreNotAsked) {
  Start("[127.0.0.9]");
  json claims = GoodClaims();
  claims["iss"] = "https://far.example";
  EXPECT_EQ(Post("Authorization: Bearer " + Sign(claims) + "\r\n"), "503 UNAVAILABLE");
  EXPECT_EQ(Call({{"authorization", "Bearer " + Sign(claims)}}), "UNAVAILABLE");
  EXPECT_EQ(Post(""), "201");
}

// --- D-12: nobody learns which keys exist

TEST_F(HostilePeers, D12UnknownAndWrongKeysLookTheSame) {
  Start("[127.0.0.9]");
  EXPECT_EQ(Post("X-API-Key: acme.MARKER-secret-of-acme\r\n"), "201");
  const auto answer = [&](const std::string& key) {
    auto response = Send(PostRequest("/getToken", "{}", "X-API-Key: " + key + "\r\nX-Request-Id: same\r\n"));
    EXPECT_TRUE(response);
    if (!response) return std::string();
    std::string text = std::to_string(response->status) + response->body;
    for (const auto& [name, value] : response->headers) {
      if (name != "date") text += name + ":" + value + "\n";
    }
    return text;
  };
  const std::string wrong = answer("acme.MARKER-secret-of-somebody");
  EXPECT_THAT(wrong, HasSubstr("401"));
  EXPECT_EQ(answer("nobody.MARKER-secret-of-somebody"), wrong);
  EXPECT_EQ(answer("nobody"), wrong);
  EXPECT_EQ(answer("acme."), wrong);
  for (const char* key : {"acme.MARKER-secret-of-somebody", "nobody.MARKER-secret-of-somebody", "nobody"}) {
    EXPECT_EQ(Call({{"x-api-key", key}}), "AUTHENTICATION_FAILED") << key;
  }
}

// --- D-13: keys that anybody knows or can guess

TEST(HostileSecrets, D13AreRefusedAtTheStart) {
  const TempFolder folder;
  const std::string config = folder.Write("token.yaml", R"(
projects: [{ name: main, client_url: wss://a.example, keys: { env: true } }]
authenticators: [{ name: guests, anonymous: {} }]
policies: [{ name: guest, match: { authenticator: guests }, room: { client: allow } }]
)");
  const auto start = [&](const std::string& secret) {
    return RunProgram("livekit-token-standalone", {"--config=" + config, "--check_config"},
                      {{"LIVEKIT_API_KEY", "devkey"}, {"LIVEKIT_API_SECRET", secret}});
  };
  EXPECT_EQ(start("MARKER78901234567890123456789012").status, 0);
  for (const char* weak : {"secret", "devkey", "MARKER7890123456789012345678901", ""}) {
    const Finished refused = start(weak);
    EXPECT_EQ(refused.status, 1) << weak;
    EXPECT_THAT(refused.output, HasSubstr("projects[0].keys")) << weak;
    EXPECT_THAT(refused.output, Not(HasSubstr("MARKER"))) << weak;
  }
}

// --- D-14: where credentials do not count, and what is not kept

TEST_F(HostilePeers, D14CredentialsCountOnlyInTheirHeaders) {
  Start("[127.0.0.9]");
  const std::string token = Sign(GoodClaims());
  for (const char* query : {"access_token=", "token=", "authorization=Bearer%20", "bearer="}) {
    EXPECT_THAT(IdentityFor("", "/getToken?" + std::string(query) + token), HasSubstr("guest-")) << query;
  }
  const auto answer = Send(PostRequest("/getToken", "{}", "Authorization: Bearer " + token + "\r\n"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->Header("cache-control"), "no-store");
  EXPECT_THAT(IdentityFor(""), HasSubstr("guest-"));
  for (const std::string& value : std::vector<std::string>{"Basic " + token, token, "Bearer", "Bearer ", "Bearer  ",
                                                           "Token " + token, "Bearer " + token + ", Bearer " + token}) {
    EXPECT_EQ(Post("Authorization: " + value + "\r\n"), "401 AUTHENTICATION_FAILED") << value.substr(0, 8);
  }
  EXPECT_EQ(Post("X-Caller-Authorization: Bearer " + token + "\r\n"), "201");  // never relayed: a guest
  EXPECT_EQ(Post("Authorization: Bearer " + token + "\r\nAuthorization: Bearer " + token + "\r\n"),
            "400 AMBIGUOUS_CREDENTIALS");
}

// --- D-15: what pages of other sites may send without asking

TEST_F(HostilePeers, D15PagesOfOtherSites) {
  Start("[127.0.0.9]");
  const auto post = [&](const std::string& lines) {
    return Verdict(Send("POST /getToken HTTP/1.1\r\nHost: token.example\r\nContent-Length: 2\r\n" + lines + "\r\n{}"));
  };
  EXPECT_EQ(post("Content-Type: application/json\r\n"), "201");
  EXPECT_EQ(post("Content-Type: application/json\r\nOrigin: https://app.example\r\n"), "201");
  const std::vector<Row> rows = {
      {"text", "Content-Type: text/plain\r\n", "415 UNSUPPORTED_MEDIA_TYPE"},
      {"text that is JSON", "Content-Type: text/plain; application/json\r\n", "415 UNSUPPORTED_MEDIA_TYPE"},
      {"form", "Content-Type: application/x-www-form-urlencoded\r\n", "415 UNSUPPORTED_MEDIA_TYPE"},
      {"upload", "Content-Type: multipart/form-data; boundary=x\r\n", "415 UNSUPPORTED_MEDIA_TYPE"},
      {"another page", "Content-Type: application/json\r\nOrigin: https://evil.example\r\n", "403 ORIGIN_NOT_ALLOWED"},
      {"a page like ours", "Content-Type: application/json\r\nOrigin: https://app.example.evil\r\n",
       "403 ORIGIN_NOT_ALLOWED"},
      {"a sandboxed frame", "Content-Type: application/json\r\nOrigin: null\r\n", "403 ORIGIN_NOT_ALLOWED"},
      {"no media type, another page", "Origin: https://evil.example\r\n", "403 ORIGIN_NOT_ALLOWED"},
      {"a cookie, another site", "Cookie: session=MARKER\r\nSec-Fetch-Site: cross-site\r\n", "403 ORIGIN_NOT_ALLOWED"},
      {"a cookie, a sibling", "Cookie: session=MARKER\r\nSec-Fetch-Site: same-site\r\n", "403 ORIGIN_NOT_ALLOWED"},
      {"two headers of cookies", "Cookie: session=MARKER\r\nCookie: session=MARKER2\r\n", "400 AMBIGUOUS_CREDENTIALS"},
      {"a cookie and a key", "Cookie: session=MARKER\r\nX-API-Key: acme.MARKER-secret-of-acme\r\n",
       "400 AMBIGUOUS_CREDENTIALS"},
      // These get as far as the application, which is down.
      {"a cookie of the own page", "Cookie: session=MARKER\r\nSec-Fetch-Site: same-origin\r\n", "503 UNAVAILABLE"},
      {"a cookie of an allowed page", "Cookie: session=MARKER\r\nOrigin: https://app.example\r\n", "503 UNAVAILABLE"},
      // And these are a guest's.
      {"a cookie of another application", "Cookie: other=1; Session=2\r\nSec-Fetch-Site: cross-site\r\n", "201"},
  };
  for (const Row& row : rows) EXPECT_EQ(post(row.lines), row.verdict) << row.name;
  const auto got = Send(GetRequest("/getToken?room_name=r&participant_identity=ann"));
  EXPECT_EQ(Verdict(got), "405 METHOD_NOT_ALLOWED");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->Header("allow"), "POST, OPTIONS");
  EXPECT_EQ(Call({{"cookie", "session=MARKER"}}), "UNAVAILABLE");
  EXPECT_THAT(Call({{"cookie", "other=1"}}), HasSubstr("201 guest-"));
}

// --- D-31: nobody is let through for being a probe

TEST_F(HostilePeers, D31ProbesHaveNoPrivileges) {
  Start("[127.0.0.1]");
  for (const char* agent : {"kube-probe/1.29", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Prometheus/2.50"}) {
    const std::string line = "User-Agent: " + std::string(agent) + "\r\n";
    EXPECT_EQ(Post(line), "401 AUTHENTICATION_REQUIRED") << agent;
    EXPECT_EQ(Post(line + "Authorization: Bearer x\r\n"), "401 AUTHENTICATION_FAILED") << agent;
    EXPECT_EQ(Post(line + kUser), "201") << agent;
    EXPECT_EQ(Call({{"user-agent", agent}}), "AUTHENTICATION_REQUIRED") << agent;
  }
  for (const char* path : {"/livez", "/readyz", "/startupz", "/metrics", "/healthz", "/ping", "/"}) {
    EXPECT_EQ(Verdict(Send(GetRequest(path))), "404 NOT_FOUND") << path;
    EXPECT_EQ(Post("", path), "404 NOT_FOUND") << path;
  }
  // The providers here are down or forbidden; that is no reason to be restarted.
  for (const char* path : {"/livez", "/readyz", "/startupz"}) {
    const auto probe = RawClient(admin_port_).Exchange(GetRequest(path));
    ASSERT_TRUE(probe) << path;
    EXPECT_EQ(probe->status, 200) << path;
    EXPECT_LT(probe->body.size(), 32U) << "a probe tells nothing else: " << probe->body;
  }
  EXPECT_EQ(Verdict(RawClient(admin_port_).Exchange(PostRequest("/getToken", "{}", kUser))).substr(0, 3), "404");
}

}  // namespace
}  // namespace livekit::token
