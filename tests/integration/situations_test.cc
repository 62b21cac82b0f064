// Situations in which people need tokens, each a configuration with requests that are allowed and some that
// are refused, over HTTP and over gRPC. The configurations of --print_example are used as printed, except for where
// keys are found.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/status.h"
#include "base/text.h"
#include "gateway/token_source_json.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "http/server.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "support/program.h"
#include "support/raw_client.h"
#include "support/test_issuer.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using namespace testing;  // NOLINT: the helpers of tests/support

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr char kSecret[] = "MARKER-livekit-secret-0123456789abcdef";
constexpr char kTicketSecret[] = "MARKER-tickets-secret-0123456789abcdef";

long Now() { return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()); }

const TestIssuer& Issuer() {
  static const auto* const issuer = new TestIssuer("key-1");
  return *issuer;
}

json ClaimsOf(const std::string& token) {
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  const auto payload = Base64UrlDecode(std::string_view(token).substr(first + 1, second - first - 1));
  return json::parse(payload.value_or(""), nullptr, false);
}

std::string Replace(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

// Whether every member of `expected` is in `actual`; a text with `*` is a glob.
bool Contains(const json& actual, const json& expected) {
  if (expected.is_object() && actual.is_object()) {
    for (const auto& [name, value] : expected.items()) {
      if (!actual.contains(name) || !Contains(actual[name], value)) return false;
    }
    return true;
  }
  if (expected.is_string() && actual.is_string()) {
    return GlobMatches(expected.get<std::string>(), actual.get<std::string>());
  }
  return actual == expected;
}

class Situation : public ::testing::Test {
 protected:
  static std::string Example(const std::string& name) {
    const Finished printed = RunProgram("livekit-token-standalone", {"--print_example", name});
    EXPECT_EQ(printed.status, 0) << printed.output;
    return printed.output;
  }

  // The example with the keys of our own issuer in place of what discovery would give.
  std::string WithOurKeys(std::string yaml, const std::string& issuer) {
    const std::string jwks = folder_.Write("jwks.json", Issuer().Jwks());
    const std::size_t at = yaml.find("issuer: " + issuer);
    EXPECT_NE(at, std::string::npos);
    const bool flow = yaml[at - 2] == '{';
    return yaml.insert(at, "jwks_file: " + jwks + (flow ? ", " : "\n      "));
  }

  // Starts the standalone.
  void Start(const std::string& yaml) { StartWith({"--config=" + folder_.Write("token.yaml", yaml)}); }
  void StartWith(std::vector<std::string> flags, std::map<std::string, std::string> environment = {}) {
    for (const char* listener : {"http", "grpc", "admin"}) {
      flags.push_back(std::string("--") + listener + "_listen=127.0.0.1:0");
    }
    environment.insert({{"LIVEKIT_API_KEY", "APItest"}, {"LIVEKIT_API_SECRET", kSecret}});
    program_ = std::make_unique<Program>("livekit-token-standalone", std::move(flags), std::move(environment));
    const int grpc = program_->AwaitPort("grpc");
    ASSERT_NE(grpc, 0) << program_->Output();
    http_port_ = program_->AwaitPort("http");
    stub_ = v1::TokenService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(grpc), grpc::InsecureChannelCredentials()));
  }

  void TearDown() override {
    if (program_ == nullptr) return;
    EXPECT_THAT(program_->Output(), ::testing::Not(HasSubstr("MARKER")));
  }

  // `{"claims":…,"server_url":…}` or `{"reason":…}`.
  json Post(const Headers& headers, const json& body, const std::string& path = "/getToken") {
    std::string lines;
    for (const auto& [name, value] : headers) lines += name + ": " + value + "\r\n";
    RawClient client(http_port_);
    const auto response = client.Exchange(PostRequest(path, body.dump(), lines));
    EXPECT_TRUE(response) << program_->Output();
    if (!response) return {};
    json answer = json::parse(response->body, nullptr, false);
    if (response->status != 201) return {{"reason", answer["reason"]}};
    return {{"claims", ClaimsOf(answer["participant_token"])}, {"server_url", answer["server_url"]}};
  }

  static void AddHeaders(const Headers& headers, grpc::ClientContext& context) {
    for (const auto& [name, value] : headers) context.AddMetadata(AsciiLower(name), value);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  }
  static std::string ReasonOf(const grpc::Status& status) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    details.ParseFromString(status.error_details());
    for (const auto& detail : details.details()) {
      if (detail.UnpackTo(&info)) return info.reason();
    }
    return "no reason: " + status.error_message();
  }

  json Call(const Headers& headers, const json& body, const json& principal = {}) {
    v1::IssueParticipantTokenRequest request;
    auto asked = gateway::ReadTokenRequest(body.dump());
    EXPECT_TRUE(asked.ok());
    if (asked.ok()) *request.mutable_request() = *asked;
    if (!principal.is_null()) {
      EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(principal.dump(), request.mutable_principal()).ok());
    }
    grpc::ClientContext context;
    AddHeaders(headers, context);
    v1::IssueParticipantTokenResponse response;
    const grpc::Status status = stub_->IssueParticipantToken(&context, request, &response);
    if (!status.ok()) return {{"reason", ReasonOf(status)}};
    return {{"claims", ClaimsOf(response.participant_token())}, {"server_url", response.server_url()}};
  }

  json Mint(const std::string& key, const json& asked) {
    v1::MintAccessTokenRequest request;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(asked.dump(), &request).ok()) << asked;
    grpc::ClientContext context;
    AddHeaders(Bearer(key), context);
    v1::MintAccessTokenResponse response;
    const grpc::Status status = stub_->MintAccessToken(&context, request, &response);
    if (!status.ok()) return {{"reason", ReasonOf(status)}};
    return {{"claims", ClaimsOf(response.token())}};
  }

  // The claims of the token that both ways give, after having seen that they give the same.
  json ExpectToken(const Headers& headers, const json& body, const json& expected) {
    const json over_http = Post(headers, body);
    const json over_grpc = Call(headers, body);
    EXPECT_TRUE(over_http.contains("claims")) << body << over_http << program_->Output();
    EXPECT_TRUE(over_grpc.contains("claims")) << body << over_grpc << program_->Output();
    if (!over_http.contains("claims") || !over_grpc.contains("claims")) return json::object();
    for (const json& answer : {over_http, over_grpc}) {
      EXPECT_TRUE(Contains(answer["claims"], expected)) << answer.dump(1) << expected.dump(1);
    }
    // Only what is drawn at random differs.
    json one = over_http;
    json other = over_grpc;
    for (json* answer : {&one, &other}) {
      for (const char* name : {"jti", "iat", "nbf", "exp"}) (*answer)["claims"].erase(name);
      for (const char* place : {"/claims/sub", "/claims/video/room"}) {
        json& text = (*answer)[json::json_pointer(place)];
        if (text != over_http[json::json_pointer(place)]) text = over_http[json::json_pointer(place)];
      }
    }
    EXPECT_EQ(one, other);
    return over_http["claims"];
  }
  void ExpectRefused(const Headers& headers, const json& body, const std::string& reason) {
    EXPECT_EQ(Post(headers, body), json({{"reason", reason}})) << body;
    EXPECT_EQ(Call(headers, body), json({{"reason", reason}})) << body;
  }

  static Headers Bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }
  // A user's token: `claims` with times, unless they say otherwise.
  static Headers User(json claims) {
    if (!claims.contains("exp")) claims["exp"] = Now() + 300;
    if (!claims.contains("iat")) claims["iat"] = Now();
    return Bearer(Issuer().Sign(claims));
  }
  // A line of an API key file.
  static std::string KeyLine(const std::string& id, const std::string& rest = "") {
    return "  - { id: " + id + ", sha256: " + HexEncode(Sha256(SecretOf(id))) + rest + " }\n";
  }
  static std::string SecretOf(const std::string& id) { return "MARKER-secret-of-" + id; }
  static std::string KeyOf(const std::string& id) { return id + "." + SecretOf(id); }

  static constexpr char kProject[] =
      "projects:\n  - { name: main, client_url: wss://acme.livekit.cloud, keys: { env: true } }\n";

  TempFolder folder_;
  std::unique_ptr<Program> program_;
  std::unique_ptr<v1::TokenService::Stub> stub_;
  int http_port_ = 0;
};

TEST_F(Situation, AnonymousDemo) {
  Start(std::string(kProject) + R"(
authenticators:
  - { name: guests, anonymous: {} }
policies:
  - name: guest
    match: { authenticator: guests }
    room: { client: allow, pattern: "demo-[a-z0-9]{1,16}", default: "demo-{random}" }
    display_name: { client: allow, max_bytes: 32 }
    grants: { can_publish: true, can_publish_sources: [microphone], can_subscribe: true, can_publish_data: false }
    ttl: 2m
)");
  const json claims = ExpectToken({}, {{"room_name", "demo-1"}, {"participant_name", "Ann"}},
                                  {{"iss", "APItest"},
                                   {"sub", "guest-*"},
                                   {"name", "Ann"},
                                   {"video",
                                    {{"room", "demo-1"},
                                     {"roomJoin", true},
                                     {"canPublish", true},
                                     {"canPublishData", false},
                                     {"canPublishSources", {"microphone"}}}}});
  EXPECT_EQ(claims["exp"].get<long>() - claims["nbf"].get<long>(), 120);
  ExpectToken({}, json::object(), {{"video", {{"room", "demo-*"}}}});
  // Mobile SDKs always send this.
  ExpectToken({}, {{"room_config", json::object()}}, {{"video", {{"room", "demo-*"}}}});
  ExpectRefused({}, {{"room_name", "board-meeting"}}, "ROOM_NOT_PERMITTED");
  ExpectRefused({}, {{"room_name", "demo-1"}, {"participant_identity", "admin"}}, "FIELD_NOT_PERMITTED");
  ExpectRefused({}, {{"participant_metadata", "x"}}, "FIELD_NOT_PERMITTED");
  ExpectRefused({}, {{"room_config", {{"agents", {{{"agent_name", "a"}}}}}}}, "FIELD_NOT_PERMITTED");
  ExpectRefused({}, {{"participant_name", std::string(33, 'x')}}, "FIELD_TOO_LONG");
  // Nobody becomes anonymous by a credential that is not valid.
  ExpectRefused(Bearer("something"), json::object(), "AUTHENTICATION_FAILED");
}

TEST_F(Situation, Auth0AccessTokensWithoutName) {
  const std::string issuer = "https://acme.eu.auth0.com/";
  Start(WithOurKeys(Example("auth0"), issuer));
  const json user = {{"iss", issuer},
                     {"sub", "auth0|507f1f77"},
                     {"aud", {"https://calls.acme.dev", "https://acme.eu.auth0.com/userinfo"}},
                     {"azp", "app-client-id"},
                     {"scope", "openid profile calls:join"}};
  const json claims = ExpectToken(User(user), {{"room_name", "standup"}},
                                  {{"sub", "auth0|507f1f77"}, {"video", {{"room", "standup"}}}});
  EXPECT_FALSE(claims.contains("name"));
  ExpectToken(User(user), {{"room_name", "standup"}, {"participant_identity", "auth0|507f1f77"}},
              {{"sub", "auth0|507f1f77"}});
  json named = user;
  named["https://acme.dev/name"] = "Ann";
  ExpectToken(User(named), {{"room_name", "standup"}}, {{"name", "Ann"}});
  ExpectRefused(User(user), {{"room_name", "standup"}, {"participant_identity", "auth0|other"}},
                "IDENTITY_NOT_PERMITTED");
  ExpectRefused(User(user), {{"room_name", "Stand up!"}}, "ROOM_NOT_PERMITTED");
  ExpectRefused({}, {{"room_name", "standup"}}, "AUTHENTICATION_REQUIRED");
  const auto refused = [&](const char* member, const json& value, const char* reason) {
    json other = user;
    other[member] = value;
    ExpectRefused(User(other), {{"room_name", "standup"}}, reason);
  };
  refused("scope", "openid profile", "NO_POLICY");
  refused("aud", "app-client-id", "AUTHENTICATION_FAILED");  // as an ID token has it
  refused("iss", "https://acme.eu.auth0.com", "AUTHENTICATION_FAILED");
  refused("exp", Now() - 300, "AUTHENTICATION_FAILED");
  refused("sub", "", "AUTHENTICATION_FAILED");
}

TEST_F(Situation, KeycloakRealmRoles) {
  const std::string issuer = "https://id.acme.dev/realms/acme";
  Start(WithOurKeys(Example("keycloak"), issuer));
  const auto user = [&](const json& roles) {
    return User({{"iss", issuer},
                 {"sub", "8f2b"},
                 {"aud", {"calls", "account"}},
                 {"typ", "Bearer"},
                 {"preferred_username", "ann"},
                 {"realm_access", {{"roles", roles}}}});
  };
  json claims = ExpectToken(user({"offline_access", "calls-member"}), {{"room_name", "r-1"}},
                            {{"sub", "8f2b"}, {"name", "ann"}, {"video", {{"room", "r-1"}, {"canPublish", true}}}});
  EXPECT_FALSE(claims["video"].contains("roomAdmin"));
  ExpectToken(user({"calls-moderator", "calls-member"}), {{"room_name", "r-1"}},
              {{"sub", "8f2b"}, {"video", {{"room", "r-1"}, {"roomAdmin", true}}}});
  ExpectRefused(user({"offline_access"}), {{"room_name", "r-1"}}, "NO_POLICY");
  ExpectRefused(user("calls-moderator-of-nothing"), {{"room_name", "r-1"}}, "NO_POLICY");
  ExpectRefused(user({"calls-member"}), {{"room_name", "r-1"}, {"participant_name", "root"}}, "FIELD_NOT_PERMITTED");
}

// Serves a discovery document and a key set.
class Provider final : public http::Handler {
 public:
  Provider() {
    http::ServerOptions options;
    options.address = "127.0.0.1:0";
    auto started = http::Server::Start(std::move(options), *this);
    EXPECT_TRUE(started.ok());
    if (started.ok()) server_ = *std::move(started);
  }
  std::string issuer() const { return "http://127.0.0.1:" + std::to_string(server_->port()) + "/realms/acme"; }

  // The same by another host's name.
  std::string keys_elsewhere() const {
    return "http://localhost:" + std::to_string(server_->port()) + "/realms/acme/keys";
  }

  void Handle(const http::Request& request, http::Respond respond) override {
    http::Response response;
    response.status = 200;
    response.content_type = "application/json";
    if (request.path == "/realms/acme/.well-known/openid-configuration") {
      response.body = json{{"issuer", issuer()}, {"jwks_uri", issuer() + "/keys"}}.dump();
    } else if (request.path == "/realms/acme/keys") {
      response.body = Issuer().Jwks();
    } else {
      response.status = 404;
    }
    respond(std::move(response));
  }
  http::Response Refuse(const http::Request& /*request*/, v1::ErrorReason reason) override {
    http::Response response;
    response.status = GetReasonInfo(reason).http_status;
    return response;
  }

 private:
  std::unique_ptr<http::Server> server_;
};

TEST_F(Situation, FirebaseWithKeysOfAnotherHost) {
  const std::string issuer = "https://securetoken.google.com/acme-calls";
  const Provider provider;
  std::string yaml = Example("firebase");
  const std::size_t uri = yaml.find("jwks_uri:");
  ASSERT_NE(uri, std::string::npos);
  yaml.replace(uri, yaml.find('\n', uri) - uri, "jwks_uri: " + provider.keys_elsewhere() + "\n      allow_http: true");
  Start(yaml);
  const auto user = [&](const char* provider) {
    return User({{"iss", issuer},
                 {"aud", "acme-calls"},
                 {"sub", "uid1"},
                 {"name", "Ann"},
                 {"firebase", {{"sign_in_provider", provider}}}});
  };
  const json first = ExpectToken(user("google.com"), {{"room_name", "r"}},
                                 {{"sub", "uid1~*"}, {"name", "Ann"}, {"video", {{"canPublish", true}}}});
  // Several tabs: each has an identity of its own.
  const json second = ExpectToken(user("google.com"), {{"room_name", "r"}}, {{"sub", "uid1~*"}});
  EXPECT_NE(first["sub"], second["sub"]);
  ExpectToken(user("anonymous"), {{"room_name", "r"}},
              {{"sub", "uid1~*"}, {"name", "Guest"}, {"video", {{"canPublish", false}, {"canSubscribe", true}}}});
  ExpectRefused(user("google.com"), {{"room_name", "r"}, {"participant_identity", "uid1"}}, "IDENTITY_NOT_PERMITTED");
  ExpectRefused(User({{"iss", "https://securetoken.google.com/other"}, {"aud", "acme-calls"}, {"sub", "uid1"}}),
                {{"room_name", "r"}}, "AUTHENTICATION_FAILED");
}

// A service that is asked about credentials: answers with what `answer` makes of a request.
class Asked final : public http::Handler {
 public:
  using Answer = std::function<std::pair<int, std::string>(const http::Request& request)>;

  explicit Asked(Answer answer) : answer_(std::move(answer)) {
    http::ServerOptions options;
    options.address = "127.0.0.1:0";
    options.body_paths = {"/introspect"};
    auto started = http::Server::Start(std::move(options), *this);
    EXPECT_TRUE(started.ok());
    if (started.ok()) server_ = *std::move(started);
  }
  std::string Url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + path;
  }

  void Handle(const http::Request& request, http::Respond respond) override {
    http::Response response;
    std::tie(response.status, response.body) = answer_(request);
    response.content_type = "application/json";
    respond(std::move(response));
  }
  http::Response Refuse(const http::Request& /*request*/, v1::ErrorReason reason) override {
    http::Response response;
    response.status = GetReasonInfo(reason).http_status;
    return response;
  }

 private:
  const Answer answer_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(Situation, SessionsOfAuthJs) {
  const Asked application([](const http::Request& request) -> std::pair<int, std::string> {
    const auto cookie = request.SingleHeader("cookie");
    if (request.path != "/api/auth/session") return {404, ""};
    if (cookie == "__Secure-authjs.session-token=MARKER-ann") {
      return {200, R"({"user":{"name":"Ann","email":"ann@acme.dev","image":null},"expires":"2027-01-01T00:00:00Z"})"};
    }
    if (cookie == "__Secure-authjs.session-token=MARKER-500") return {500, R"({"user":{"email":"ann@acme.dev"}})"};
    return {200, "{}"};
  });
  Start(Replace(Example("nextauth"), "http://web:3000/api/auth/session", application.Url("/api/auth/session")));
  const auto cookie = [](const std::string& value) -> Headers {
    return {{"Cookie", "theme=dark; __Secure-authjs.session-token=" + value + "; authjs.csrf-token=x"}};
  };
  ExpectToken(cookie("MARKER-ann"), {{"room_name", "standup"}},
              {{"sub", "ann@acme.dev"}, {"name", "Ann"}, {"video", {{"room", "standup"}}}});
  EXPECT_TRUE(Post(cookie("MARKER-ann"), {{"room_name", "r"}}, "/livekit/getToken").contains("claims"));
  ExpectRefused(cookie("MARKER-ann"), {{"room_name", "r"}, {"participant_identity", "bob@acme.dev"}},
                "IDENTITY_NOT_PERMITTED");
  ExpectRefused(cookie("MARKER-ended"), {{"room_name", "r"}}, "AUTHENTICATION_FAILED");
  // The contract: no subject is 401 whatever the status, and a failure names nobody.
  ExpectRefused(cookie("MARKER-500"), {{"room_name", "r"}}, "AUTHENTICATION_FAILED");
  ExpectRefused({{"Cookie", "theme=dark"}}, {{"room_name", "r"}}, "AUTHENTICATION_REQUIRED");
  ExpectRefused({}, {{"room_name", "r"}}, "AUTHENTICATION_REQUIRED");
  // A page of another site.
  auto foreign = cookie("MARKER-ann");
  foreign.emplace_back("Sec-Fetch-Site", "cross-site");
  EXPECT_EQ(Post(foreign, {{"room_name", "r"}}), json({{"reason", "ORIGIN_NOT_ALLOWED"}}));
}

TEST_F(Situation, OpaqueTokensOfAnAuthorizationServer) {
  const Asked server([](const http::Request& request) -> std::pair<int, std::string> {
    // echo -n 'calls:MARKER-client' | base64
    if (request.SingleHeader("authorization") != "Basic Y2FsbHM6TUFSS0VSLWNsaWVudA==") return {401, "{}"};
    if (request.body == "token=MARKER-ann&token_type_hint=access_token") {
      return {200, R"({"active":true,"sub":"ann","aud":"calls","scope":"calls:join openid"})"};
    }
    if (request.body == "token=MARKER-mail&token_type_hint=access_token") {
      return {200, R"({"active":true,"sub":"ann","aud":"mail","scope":"calls:join"})"};
    }
    return {200, R"({"active":false})"};
  });
  folder_.Write("client.secret", "MARKER-client\n");
  Start(std::string(kProject) + "authenticators:\n  - name: opaque\n    oauth2_introspection: { url: \"" +
        server.Url("/introspect") + "\", allow_http: true, client_id: calls, client_secret_file: " + folder_.path() +
        R"(/client.secret, audiences: [calls] }
policies:
  - name: user
    match: { authenticator: opaque, scopes: ["calls:join"] }
    room: { client: allow }
)");
  ExpectToken(Bearer("MARKER-ann"), {{"room_name", "r"}}, {{"sub", "ann"}, {"video", {{"room", "r"}}}});
  ExpectRefused(Bearer("MARKER-mail"), {{"room_name", "r"}}, "AUTHENTICATION_FAILED");
  ExpectRefused(Bearer("MARKER-revoked"), {{"room_name", "r"}}, "AUTHENTICATION_FAILED");
  ExpectRefused({}, {{"room_name", "r"}}, "AUTHENTICATION_REQUIRED");
}

// Other authenticators of the process do not notice.
TEST_F(Situation, AServiceThatIsDownStopsOnlyItsOwnUsers) {
  folder_.Write("client.secret", "MARKER-client\n");
  folder_.Write("partners.yaml", "keys:\n" + KeyLine("acme"));
  Start(std::string(kProject) + R"(
authenticators:
  - { name: partners, api_keys: { file: )" +
        folder_.path() + R"(/partners.yaml } }
  - { name: opaque, oauth2_introspection: { url: "http://127.0.0.1:9/i", allow_http: true, client_id: calls, client_secret_file: )" +
        folder_.path() + R"(/client.secret, audiences: [calls] } }
  - { name: session, forward_auth: { url: "http://127.0.0.1:9/s", allow_http: true, forward_cookies: [session], subject: { json: id } } }
policies:
  - { name: partner, match: { authenticator: partners }, room: { client: allow } }
  - { name: user, match: { authenticator: opaque }, room: { client: allow } }
  - { name: visitor, match: { authenticator: session }, room: { client: allow } }
gateway: { relay_headers: [authorization, x-api-key], relay_cookies: [session] }
)");
  ExpectRefused(Bearer("MARKER-ann"), {{"room_name", "r"}}, "UNAVAILABLE");
  ExpectRefused({{"Cookie", "session=MARKER-ann"}}, {{"room_name", "r"}}, "UNAVAILABLE");
  ExpectToken({{"X-API-Key", KeyOf("acme")}}, {{"room_name", "r"}}, {{"sub", "acme"}});
}

TEST_F(Situation, PartnersWithApiKeys) {
  folder_.Write("partners.yaml", "keys:\n" + KeyLine("acme", ", claims: { plan: pro }") + KeyLine("acme-two"));
  Start(Replace(Example("api_key"), "partners.yaml, header", folder_.path() + "/partners.yaml, header"));
  const auto partner = [](const std::string& id) { return Headers{{"X-API-Key", KeyOf(id)}}; };
  const json asked = {{"room_name", "acme.lobby"}, {"participant_identity", "acme.ann"}};
  ExpectToken(partner("acme"), asked,
              {{"sub", "acme.ann"},
               {"attributes", {{"partner", "acme"}, {"plan", "pro"}}},
               {"video", {{"room", "acme.lobby"}}}});
  json claims = ExpectToken(partner("acme-two"), {{"room_name", "acme-two.x"}, {"participant_identity", "acme-two.y"}},
                            {{"attributes", {{"partner", "acme-two"}}}});
  EXPECT_FALSE(claims["attributes"].contains("plan"));
  json more = asked;
  more["participant_attributes"] = {{"lang", "de"}};
  ExpectToken(partner("acme"), more, {{"attributes", {{"lang", "de"}, {"partner", "acme"}}}});
  more["participant_attributes"] = {{"partner", "acme-two"}};
  ExpectRefused(partner("acme"), more, "FIELD_NOT_PERMITTED");
  more["participant_attributes"] = {{"lk.agent.state", "x"}};
  ExpectRefused(partner("acme"), more, "FIELD_NOT_PERMITTED");
  ExpectRefused(partner("acme-two"), asked, "ROOM_NOT_PERMITTED");
  ExpectRefused(partner("acme"), {{"room_name", "acme.lobby"}, {"participant_identity", "other.ann"}},
                "IDENTITY_NOT_PERMITTED");
  ExpectRefused(partner("acme"), {{"room_name", "acme."}, {"participant_identity", "acme.ann"}}, "ROOM_NOT_PERMITTED");
  ExpectRefused({{"X-API-Key", "acme.wrong-secret-000000"}}, asked, "AUTHENTICATION_FAILED");
}

TEST_F(Situation, TenantsOneOfWhichContainsAnothersName) {
  const std::string issuer = "https://login.acme.dev/";
  Start(WithOurKeys(Example("tenants"), issuer));
  const auto user = [&](const json& tenant, const char* plan = "pro") {
    return User({{"iss", issuer}, {"aud", "calls"}, {"sub", "7"}, {"plan", plan}, {"tenant", tenant}, {"name", "Ann"}});
  };
  ExpectToken(user("a"), {{"room_name", "acme_a_lobby"}},
              {{"sub", "a_7"},
               {"name", "Ann"},
               {"attributes", {{"tenant", "a"}, {"plan", "pro"}}},
               {"video", {{"room", "acme_a_lobby"}}}});
  ExpectToken(user("a"), json::object(), {{"video", {{"room", "acme_a_*"}}}});
  ExpectToken(user("a", "trial"), {{"room_name", "acme_a_lobby"}},
              {{"video", {{"canPublishSources", {"microphone"}}, {"canPublishData", false}}}});
  ExpectToken(user(12), {{"room_name", "acme_12_lobby"}}, {{"sub", "12_7"}});
  ExpectRefused(user("a"), {{"room_name", "acme_b_lobby"}}, "ROOM_NOT_PERMITTED");
  ExpectRefused(user("a"), {{"room_name", "acme_a_b_lobby"}}, "ROOM_NOT_PERMITTED");
  ExpectRefused(user("a_b"), {{"room_name", "acme_a_b_lobby"}}, "CLAIM_AMBIGUOUS");
  ExpectRefused(user(".*"), {{"room_name", "acme_b_lobby"}}, "ROOM_NOT_PERMITTED");
  ExpectRefused(user("{subject}"), {{"room_name", "acme_7_lobby"}}, "ROOM_NOT_PERMITTED");
  ExpectRefused(user(""), {{"room_name", "acme__lobby"}}, "CLAIM_MISSING");
  ExpectRefused(user(nullptr), {{"room_name", "acme__lobby"}}, "CLAIM_MISSING");
  ExpectRefused(user(json::array({"a"})), {{"room_name", "acme_a_lobby"}}, "CLAIM_MISSING");
  ExpectRefused(user("a", "expired"), {{"room_name", "acme_a_lobby"}}, "NO_POLICY");
}

TEST_F(Situation, VoiceAgentChosenAtRunTimeAndForcedAgent) {
  const std::string issuer = "https://login.acme.dev/";
  Start(WithOurKeys(Example("agents"), issuer));
  const auto user = [&](const json& plan, const std::string& subject = "u1") {
    return User({{"iss", issuer}, {"aud", "calls"}, {"sub", subject}, {"plan", plan}});
  };
  const auto agent = [](const std::string& name) {
    return json{{"room_config", {{"agents", {{{"agent_name", name}, {"metadata", "{\"lang\":\"de\"}"}}}}}}};
  };
  // Chosen at run time, each time in a fresh room.
  const json first =
      ExpectToken(user("pro"), agent("support-de"),
                  {{"sub", "u1"},
                   {"video", {{"room", "call-*"}}},
                   {"roomConfig", {{"agents", {{{"agentName", "support-de"}, {"metadata", "{\"lang\":\"de\"}"}}}}}}});
  const json second = ExpectToken(user("pro"), agent("support-de"), {{"sub", "u1"}});
  EXPECT_NE(first["video"]["room"], second["video"]["room"]);
  ExpectRefused(user("pro"), agent("internal-tool"), "AGENT_NOT_PERMITTED");
  json two = agent("support-de");
  two["room_config"]["agents"].push_back({{"agent_name", "sales-de"}});
  ExpectRefused(user("pro"), two, "AGENT_NOT_PERMITTED");
  ExpectRefused(user("pro"), {{"room_config", {{"max_participants", 100000}}}}, "FIELD_NOT_PERMITTED");
  ExpectRefused(user("pro"), {{"room_config", {{"egress", {{"room", {{"file_outputs", {{{"filepath", "x"}}}}}}}}}}},
                "FIELD_NOT_PERMITTED");
  ExpectRefused(user("pro"), {{"room_name", "call-of-somebody"}}, "ROOM_NOT_PERMITTED");

  // Forced: whatever the claims hold stays text inside the metadata.
  const std::string hostile = R"(u","admin":"1)";
  const json forced = ExpectToken(user("free", hostile), json::object(), {{"sub", hostile}});
  const json dispatch = forced["roomConfig"]["agents"][0];
  EXPECT_EQ(dispatch["agentName"], "receptionist");
  EXPECT_EQ(json::parse(dispatch["metadata"].get<std::string>()), json({{"user", hostile}, {"plan", "free"}}));
  ExpectRefused(user("free"), agent("support-de"), "FIELD_NOT_PERMITTED");
}

TEST_F(Situation, SignedInvitationsForGuests) {
  const std::string secret = folder_.Write("tickets.secret", std::string(kTicketSecret) + "\n");
  Start(Replace(Example("tickets"), "hs256_secret_file: tickets.secret", "hs256_secret_file: " + secret));
  const json ticket = {{"iss", "https://acme.dev/invitations"},
                       {"aud", "livekit-token"},
                       {"exp", Now() + 600},
                       {"jti", "seat-1"},
                       {"room", "interview-42"},
                       {"name", "Ann"}};
  const Headers guest = Bearer(SignHs256(kTicketSecret, ticket));
  ExpectToken(guest, json::object(), {{"sub", "guest-seat-1"}, {"name", "Ann"}, {"video", {{"room", "interview-42"}}}});
  ExpectToken(guest, {{"room_name", "interview-42"}, {"participant_name", "Bob"}}, {{"name", "Bob"}});
  ExpectRefused(guest, {{"room_name", "interview-43"}}, "ROOM_NOT_PERMITTED");
  const auto refused = [&](const char* member, const json& value, const char* reason) {
    json other = ticket;
    other[member] = value;
    ExpectRefused(Bearer(SignHs256(kTicketSecret, other)), json::object(), reason);
  };
  refused("exp", Now() - 600, "AUTHENTICATION_FAILED");
  refused("room", nullptr, "CLAIM_MISSING");
  refused("jti", nullptr, "AUTHENTICATION_FAILED");
  refused("aud", "other", "AUTHENTICATION_FAILED");
  ExpectRefused(Bearer(SignHs256("another-secret-0123456789-0123456789", ticket)), json::object(),
                "AUTHENTICATION_FAILED");
  // A LiveKit token is no ticket, not even one of ours.
  json livekit = ticket;
  livekit["iss"] = "APItest";
  livekit["video"] = {{"roomJoin", true}, {"room", "interview-42"}};
  ExpectRefused(Bearer(SignHs256(kSecret, livekit)), json::object(), "AUTHENTICATION_FAILED");
  livekit["iss"] = ticket["iss"];
  ExpectRefused(Bearer(SignHs256(kTicketSecret, livekit)), json::object(), "AUTHENTICATION_FAILED");
}

TEST_F(Situation, Classroom) {
  folder_.Write("programs.yaml", "keys:\n" + KeyLine("recorder"));
  Start(std::string(kProject) + R"(
authenticators:
  - name: school
    jwt: { issuer: https://school.example, audiences: [class], algorithms: [RS256], jwks_file: )" +
        folder_.Write("jwks.json", Issuer().Jwks()) + R"( }
  - { name: programs, api_keys: { file: )" +
        folder_.path() + R"(/programs.yaml, header: x-api-key } }
policies:
  - name: teacher
    extends: student
    match: { authenticator: school, claims: { role: teacher } }
    grants: { can_publish: true, can_subscribe: true, can_publish_data: true, room_admin: true, can_update_own_metadata: true }
  - name: student
    match: { authenticator: school, claims: { role: student } }
    room: { client: allow, one_of: "{claims.courses}" }
    attributes: { client: forbid, value: { role: "{claims.role}" } }
    grants: { can_publish: false, can_subscribe: true, can_publish_data: true }
services:
  - name: recorder
    match: { authenticator: programs, subject: recorder }
    mint: { rooms: ["math-*"], identities: ["rec-*"], video: { room_join: true, hidden: true, recorder: true, can_subscribe: true } }
gateway: { relay_headers: [authorization, x-api-key] }
)");
  const auto pupil = [](const char* role) {
    return User({{"iss", "https://school.example"},
                 {"aud", "class"},
                 {"sub", "s1"},
                 {"role", role},
                 {"courses", {"math-1", "art-2"}}});
  };
  ExpectToken(pupil("teacher"), {{"room_name", "math-1"}},
              {{"attributes", {{"role", "teacher"}}},
               {"video", {{"canPublish", true}, {"roomAdmin", true}, {"room", "math-1"}}}});
  const json student = ExpectToken(pupil("student"), {{"room_name", "art-2"}},
                                   {{"attributes", {{"role", "student"}}}, {"video", {{"canPublish", false}}}});
  EXPECT_FALSE(student["video"].contains("roomAdmin"));
  EXPECT_FALSE(student["video"].contains("canUpdateOwnMetadata"));
  ExpectRefused(pupil("student"), {{"room_name", "math-2"}}, "ROOM_NOT_PERMITTED");
  ExpectRefused(pupil("student"), json::object(), "FIELD_REQUIRED");
  ExpectRefused(pupil("student"), {{"room_name", "math-1"}, {"participant_attributes", {{"role", "teacher"}}}},
                "FIELD_NOT_PERMITTED");
  ExpectRefused(pupil("parent"), {{"room_name", "math-1"}}, "NO_POLICY");
  const auto mint = [&](const std::string& room, const json& video) {
    json grants = {{"identity", "rec-1"}, {"video", video}};
    grants["video"]["room"] = room;
    grants["video"]["room_join"] = true;
    v1::MintAccessTokenRequest request;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json{{"grants", grants}}.dump(), &request).ok());
    grpc::ClientContext context;
    AddHeaders({{"x-api-key", KeyOf("recorder")}}, context);
    v1::MintAccessTokenResponse response;
    const grpc::Status status = stub_->MintAccessToken(&context, request, &response);
    return status.ok() ? ClaimsOf(response.token()) : json{{"reason", ReasonOf(status)}};
  };
  const json hidden = mint("math-1", {{"hidden", true}, {"recorder", true}});
  EXPECT_TRUE(Contains(
      hidden, {{"sub", "rec-1"},
               {"video", {{"hidden", true}, {"recorder", true}, {"canPublish", false}, {"canPublishData", false}}}}))
      << hidden;
  EXPECT_EQ(mint("art-2", {{"hidden", true}}), json({{"reason", "ROOM_NOT_PERMITTED"}}));
  EXPECT_EQ(mint("math-1", {{"can_publish", true}}), json({{"reason", "GRANT_NOT_PERMITTED"}}));
  // It is a service and has no policy.
  ExpectRefused({{"X-API-Key", KeyOf("recorder")}}, {{"room_name", "math-1"}}, "NO_POLICY");
}

TEST_F(Situation, AnIssuerInPlaceOfAFile) {
  const Provider provider;
  std::vector<std::string> flags = {"--jwt_issuer=" + provider.issuer(), "--jwt_audience=calls"};
  StartWith(flags, {{"LIVEKIT_URL", "wss://acme.livekit.cloud"}});
  const auto user = [&](const char* audience) {
    return User({{"iss", provider.issuer()}, {"aud", audience}, {"sub", "u1"}, {"name", "Ann"}});
  };
  // The first waits for the keys.
  ExpectToken(user("calls"), {{"room_name", "any"}},
              {{"sub", "u1"}, {"name", "Ann"}, {"video", {{"room", "any"}, {"canPublish", true}}}});
  ExpectToken(user("calls"), json::object(), {{"video", {{"room", "room-*"}}}});
  ExpectRefused(user("other"), {{"room_name", "any"}}, "AUTHENTICATION_FAILED");
  ExpectRefused(user("calls"), {{"room_name", "any"}, {"participant_identity", "u2"}}, "IDENTITY_NOT_PERMITTED");
  ExpectRefused(user("calls"), {{"participant_metadata", "x"}}, "FIELD_NOT_PERMITTED");
  ExpectRefused({}, json::object(), "AUTHENTICATION_REQUIRED");
}

TEST(JwtIssuer, DoesNotGoWithAFileOrDevelopment) {
  TempFolder folder;
  const std::string file = folder.Write("a.yaml", "log_level: info\n");
  for (const std::string& other : {std::string("--dev"), "--config=" + file}) {
    const Finished ended = RunProgram("livekit-token-server", {other, "--jwt_issuer=https://id.example/"});
    EXPECT_EQ(ended.status, 1);
    EXPECT_THAT(ended.output, HasSubstr("give one"));
  }
}

TEST(PrintExample, PrintsWhatBothProgramsRead) {
  TempFolder folder;
  const std::map<std::string, std::string> environment = {{"LIVEKIT_API_KEY", "APItest"},
                                                          {"LIVEKIT_API_SECRET", kSecret}};
  folder.Write("partners.yaml", "keys: []\n");
  folder.Write("services.keys.yaml", "keys: []\n");
  folder.Write("tickets.secret", kTicketSecret);
  for (const char* name : {"agents", "api_key", "auth0", "firebase", "keycloak", "nextauth", "sandbox", "services",
                           "tenants", "tickets"}) {
    for (const char* program : {"livekit-token-server", "livekit-token-standalone"}) {
      const Finished printed = RunProgram(program, {"--print_example", name});
      ASSERT_EQ(printed.status, 0) << printed.output;
      std::string yaml = printed.output;
      for (const char* file : {" partners.yaml", " services.keys.yaml", " tickets.secret"}) {
        const std::size_t at = yaml.find(std::string(":") + file);
        if (at != std::string::npos) yaml.insert(at + 2, folder.path() + "/");
      }
      const Finished checked =
          RunProgram(program, {"--config=" + folder.Write("token.yaml", yaml), "--check_config"}, environment);
      EXPECT_EQ(checked.status, 0) << program << " " << name << ": " << checked.output;
    }
  }
  EXPECT_EQ(RunProgram("livekit-token-server", {"--print_example=nothing"}).status, 1);
}

TEST_F(Situation, TwoIssuersWithEqualSubjects) {
  const std::string keys = ", audiences: [calls], jwks_file: " + folder_.Write("jwks.json", Issuer().Jwks()) + " } }\n";
  Start(std::string(kProject) + "authenticators:\n  - { name: one, jwt: { issuer: https://one.example" + keys +
        "  - { name: two, jwt: { issuer: https://two.example" + keys + R"(
policies:
  - { name: one, match: { authenticator: one }, room: { client: allow }, identity: { client: if_equal, value: "{claims.iss}|{subject}" } }
  - { name: two, extends: one, match: { authenticator: two } }
)");
  const auto user = [](const char* issuer) { return User({{"iss", issuer}, {"aud", "calls"}, {"sub", "7"}}); };
  const json asked = {{"room_name", "r"}, {"participant_identity", "https://two.example|7"}};
  ExpectToken(user("https://one.example"), {{"room_name", "r"}}, {{"sub", "https://one.example|7"}});
  ExpectToken(user("https://two.example"), asked, {{"sub", "https://two.example|7"}});
  ExpectRefused(user("https://one.example"), asked, "IDENTITY_NOT_PERMITTED");
  ExpectRefused(user("https://three.example"), asked, "AUTHENTICATION_FAILED");
}

// The services of --print_example=services.
class Services : public Situation {
 protected:
  void SetUp() override {
    folder_.Write("keys.yaml", "keys:\n" + KeyLine("web-backend") + KeyLine("recorder") + KeyLine("telephony") +
                                   KeyLine("moderation"));
    Start(Replace(Example("services"), "services.keys.yaml, header", folder_.path() + "/keys.yaml, header"));
  }
};

TEST_F(Services, TelephonyHasTheSipGrantAndNobodyElse) {
  const json asked = {{"grants",
                       {{"identity", "sip_1"},
                        {"kind", "sip"},
                        {"sip", {{"call", true}}},
                        {"video", {{"room_join", true}, {"room", "call-1"}}}}}};
  const json minted = Mint(KeyOf("telephony"), asked);
  EXPECT_TRUE(Contains(minted, {{"claims", {{"sub", "sip_1"}, {"kind", "sip"}, {"sip", {{"call", true}}}}}})) << minted;
  EXPECT_EQ(Mint(KeyOf("recorder"), {{"grants", {{"identity", "rec_1"}, {"sip", {{"call", true}}}}}}),
            json({{"reason", "GRANT_NOT_PERMITTED"}}));
  EXPECT_EQ(Mint("telephony.not-the-secret-000", asked), json({{"reason", "AUTHENTICATION_FAILED"}}));
  // No way from the HTTP side: keys of programs are no end users.
  ExpectRefused(Bearer(KeyOf("telephony")), {{"room_name", "call-1"}}, "NO_POLICY");
}

TEST_F(Services, ModeratorHasRoomAdminForOneRoom) {
  const auto admin = [](const json& video) { return json{{"grants", {{"video", video}}}}; };
  const json minted = Mint(KeyOf("moderation"), admin({{"room_admin", true}, {"room", "acme_1"}}));
  EXPECT_TRUE(Contains(minted, {{"claims", {{"video", {{"roomAdmin", true}, {"room", "acme_1"}}}}}})) << minted;
  EXPECT_EQ(Mint(KeyOf("moderation"), admin({{"room_admin", true}, {"room", "other_1"}})),
            json({{"reason", "ROOM_NOT_PERMITTED"}}));
  EXPECT_EQ(Mint(KeyOf("moderation"), admin({{"room_list", true}})), json({{"reason", "GRANT_NOT_PERMITTED"}}));
  EXPECT_EQ(Mint(KeyOf("moderation"), {{"grants", {{"identity", "x"}}}}), json({{"reason", "IDENTITY_NOT_PERMITTED"}}));
}

TEST_F(Services, ABackendAssertsItsSessionUsers) {
  const json asked = {{"room_name", "acme_1"}};
  const json ann = {{"subject", "ann"}, {"claims", {{"name", "Ann"}}}};
  const json issued = Call(Bearer(KeyOf("web-backend")), asked, ann);
  EXPECT_TRUE(Contains(issued, {{"claims", {{"sub", "ann"}, {"name", "Ann"}, {"video", {{"room", "acme_1"}}}}}}))
      << issued << program_->Output();
  EXPECT_EQ(Call(Bearer(KeyOf("web-backend")), {{"room_name", "acme_1"}, {"participant_identity", "bob"}}, ann),
            json({{"reason", "IDENTITY_NOT_PERMITTED"}}));
  EXPECT_EQ(Call(Bearer(KeyOf("web-backend")), {{"room_name", "other"}}, ann),
            json({{"reason", "ROOM_NOT_PERMITTED"}}));
  // Only a service with `assert` may, and it has no tokens of its own.
  EXPECT_EQ(Call(Bearer(KeyOf("recorder")), asked, ann), json({{"reason", "METHOD_NOT_PERMITTED"}}));
  EXPECT_EQ(Call({}, asked, ann).value("reason", ""), "AUTHENTICATION_REQUIRED");
  ExpectRefused(Bearer(KeyOf("web-backend")), asked, "NO_POLICY");
}

TEST_F(Situation, TwoRegionsByRoomPrefix) {
  const std::string eu = folder_.Write("eu.yaml", std::string("APIeu: ") + kSecret + "-eu\n");
  const std::string us = folder_.Write("us.yaml", std::string("APIus: ") + kSecret + "-us\n");
  Start(R"(
projects:
  - { name: eu, client_url: wss://eu.example, keys: { file: )" +
        eu + R"( } }
  - { name: us, client_url: wss://us.example, keys: { file: )" +
        us + R"( } }
authenticators:
  - { name: guests, anonymous: {} }
policies:
  - name: europe
    match: { authenticator: guests, room: ["eu-*"] }
    project: eu
    room: { client: allow, pattern: "eu-[0-9]+" }
  - { name: america, extends: europe, match: { authenticator: guests, room: ["us-*"] }, project: us, room: { client: allow, pattern: "us-[0-9]+" } }
)");
  ExpectToken({}, {{"room_name", "eu-1"}}, {{"iss", "APIeu"}, {"video", {{"room", "eu-1"}}}});
  EXPECT_EQ(Post({}, {{"room_name", "eu-1"}})["server_url"], "wss://eu.example");
  ExpectToken({}, {{"room_name", "us-1"}}, {{"iss", "APIus"}, {"video", {{"room", "us-1"}}}});
  EXPECT_EQ(Post({}, {{"room_name", "us-1"}})["server_url"], "wss://us.example");
  ExpectRefused({}, {{"room_name", "ap-1"}}, "NO_POLICY");
  ExpectRefused({}, json::object(), "NO_POLICY");
  ExpectRefused({}, {{"room_name", "eu-x"}}, "ROOM_NOT_PERMITTED");
}

TEST_F(Situation, MigrationFromTheSandbox) {
  folder_.Write("gateway.yaml", "keys:\n" + KeyLine("gateway"));
  std::string yaml = WithOurKeys(Example("sandbox"), "https://login.acme.dev/");
  const std::string list = "\nauthenticators:\n";
  yaml.insert(yaml.find(list) + list.size(), "  - { name: programs, api_keys: { file: " + folder_.path() +
                                                 "/gateway.yaml, header: authorization } }\n");
  Start(yaml + "services:\n  - { name: gateway, match: { authenticator: programs, subject: gateway }, relay: true }\n");
  const std::string route = "/api/v2/sandbox/connection-details";
  const auto over_grpc = [&](const std::string& sandbox_id) -> json {
    v1::BatchIssueParticipantTokensRequest request;
    request.add_items()->set_sandbox_id(sandbox_id);
    grpc::ClientContext context;
    AddHeaders({{"x-caller-authorization", "Bearer " + KeyOf("gateway")}}, context);
    v1::BatchIssueParticipantTokensResponse response;
    const grpc::Status status = stub_->BatchIssueParticipantTokens(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (response.results_size() != 1) return {};
    const auto& result = response.results(0);
    if (result.has_error()) return {{"reason", v1::ErrorReason_Name(result.error().reason())}};
    return {{"claims", ClaimsOf(result.token().participant_token())}};
  };
  const json expected = {{"claims", {{"sub", "guest-*"}, {"video", {{"room", "demo-*"}}}}}};
  EXPECT_TRUE(Contains(Post({{"X-Sandbox-ID", "my-app-1x2y"}}, json::object(), route), expected));
  EXPECT_TRUE(Contains(over_grpc("my-app-1x2y"), expected));
  // The id opens this route only, and only this id does.
  const json none = {{"reason", "NO_POLICY"}};
  EXPECT_EQ(Post({{"X-Sandbox-ID", "my-app-1x2y"}}, json::object()), none);
  EXPECT_EQ(Post({{"X-Sandbox-ID", "another"}}, json::object(), route), none);
  EXPECT_EQ(Post({}, json::object(), route), none);
  const json malformed = {{"reason", "MALFORMED_REQUEST"}};
  EXPECT_EQ(Post({{"X-Sandbox-ID", "my-app-1x2y"}, {"X-Sandbox-ID", "another"}}, json::object(), route), malformed);
  EXPECT_EQ(Post({{"X-Sandbox-ID", "my app"}}, json::object(), route), malformed);
  EXPECT_EQ(over_grpc(""), none);
  EXPECT_EQ(over_grpc("another"), none);

  // A user's credential counts beside the id, and opens nothing without it either.
  Headers user = User({{"iss", "https://login.acme.dev/"}, {"aud", "calls"}, {"sub", "alice"}, {"name", "Alice"}});
  EXPECT_EQ(Post(user, json::object(), route), none);
  EXPECT_EQ(Post(user, json::object()), none);
  user.push_back({"X-Sandbox-ID", "my-app-1x2y"});
  EXPECT_TRUE(Contains(Post(user, {{"room_name", "lobby"}}, route),
                       {{"claims", {{"sub", "alice"}, {"name", "Alice"}, {"video", {{"room", "lobby"}}}}}}));
  EXPECT_EQ(Post(user, json::object()), none);
  EXPECT_EQ(Post({{"X-Sandbox-ID", "my-app-1x2y"}}, {{"room_name", "lobby"}}, route),
            json({{"reason", "ROOM_NOT_PERMITTED"}}));
  Headers stranger = User({{"iss", "https://login.acme.dev/"}, {"aud", "others"}, {"sub", "alice"}});
  stranger.push_back({"X-Sandbox-ID", "my-app-1x2y"});
  EXPECT_EQ(Post(stranger, json::object(), route), json({{"reason", "AUTHENTICATION_FAILED"}}));
}

}  // namespace
}  // namespace livekit::token
