// Identity providers that are slow, lie, lead elsewhere or send too much: never a token, and nobody else notices.

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "support/program.h"
#include "support/raw_client.h"
#include "support/test_issuer.h"
#include "unit/http/client_fixture.h"

namespace livekit::token {
namespace {

using http::Answer;
using http::Peer;
using http::ScriptedServer;
using nlohmann::json;
using namespace testing;  // NOLINT: the helpers of tests/support

const TestIssuer& Keys() {
  static const auto* const issuer = new TestIssuer("key-1");
  return *issuer;
}

long Now() { return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()); }

// A provider that answers by path; its discovery document is right unless `documents` has another.
class Provider {
 public:
  explicit Provider(std::map<std::string, std::string> documents = {}) : documents_(std::move(documents)) {}

  std::string issuer() const { return server_.Url(""); }
  void Mend() { well_ = true; }
  int requests() const { return requests_; }

 private:
  std::string AnswerTo(const std::string& request) {
    ++requests_;
    const std::size_t begin = request.find(' ') + 1;
    const std::string path = request.substr(begin, request.find(' ', begin) - begin);
    const auto found = documents_.find(path);
    if (found != documents_.end() && !well_) return found->second;
    if (path == "/keys") return Answer("200 OK", Keys().Jwks());
    return Answer("200 OK", json{{"issuer", issuer()}, {"jwks_uri", issuer() + "/keys"}}.dump());
  }

  const std::map<std::string, std::string> documents_;
  std::atomic<bool> well_ = false;
  std::atomic<int> requests_ = 0;
  ScriptedServer server_{http::Answering([this](const std::string& request) { return AnswerTo(request); })};
};

constexpr char kDiscovery[] = "/.well-known/openid-configuration";

class HostileProvider : public ::testing::Test {
 protected:
  // A standalone that believes these issuers, and partners with keys.
  void Start(const std::vector<std::string>& issuers) {
    folder_.Write("partners.yaml",
                  "keys:\n  - { id: acme, sha256: " + HexEncode(Sha256("MARKER-secret-of-acme")) + " }\n");
    std::string authenticators = "  - { name: partners, api_keys: { file: " + folder_.path() + "/partners.yaml } }\n";
    std::string policies =
        "  - { name: partner, match: { authenticator: partners }, room: { client: allow, default: r } }\n";
    for (const std::string& issuer : issuers) {
      const std::string name = "p" + std::to_string(&issuer - issuers.data());
      authenticators +=
          "  - { name: " + name + ", jwt: { issuer: \"" + issuer + "\", audiences: [calls], allow_http: true } }\n";
      policies +=
          "  - { name: " + name + ", match: { authenticator: " + name + " }, room: { client: allow, default: r } }\n";
    }
    const std::string config = folder_.Write(
        "token.yaml",
        "rate_limits: { per_address: off, per_principal: off, auth_failures_per_address: off }\n"
        "projects:\n  - { name: main, client_url: wss://a.example, keys: { env: true } }\nauthenticators:\n" +
            authenticators + "policies:\n" + policies +
            "gateway: { relay_headers: [authorization, x-api-key], limits: { request_timeout: 1s } }\n");
    program_ = std::make_unique<Program>(
        "livekit-token-standalone",
        std::vector<std::string>{"--config=" + config, "--http_listen=127.0.0.1:0", "--grpc_listen=127.0.0.1:0",
                                 "--admin_listen=127.0.0.1:0"},
        std::map<std::string, std::string>{{"LIVEKIT_API_KEY", "APItest"},
                                           {"LIVEKIT_API_SECRET", "MARKER-livekit-secret-0123456789abcdef"}});
    port_ = program_->AwaitPort("http");
    ASSERT_NE(port_, 0) << program_->Output();
  }
  void TearDown() override {
    if (program_ == nullptr) return;
    EXPECT_THAT(program_->Output(), ::testing::Not(::testing::HasSubstr("MARKER")));
  }

  // The status of a request with this header line.
  int Post(const std::string& line) const {
    const auto response = RawClient(port_).Exchange(PostRequest("/getToken", "{}", line + "\r\n"));
    return response ? response->status : 0;
  }
  static std::string TokenOf(const std::string& issuer) {
    return "Authorization: Bearer " +
           Keys().Sign({{"iss", issuer}, {"aud", "calls"}, {"sub", "ann"}, {"exp", Now() + 300}, {"iat", Now()}});
  }
  int PostAsPartner() const { return Post("X-API-Key: acme.MARKER-secret-of-acme"); }

  TempFolder folder_;
  std::unique_ptr<Program> program_;
  int port_ = 0;
};

TEST_F(HostileProvider, GivesNobodyATokenAndStopsNobodyElse) {
  const Provider elsewhere;
  const auto document = [](const std::string& issuer, const std::string& uri) {
    return Answer("200 OK", json{{"issuer", issuer}, {"jwks_uri", uri}}.dump());
  };
  const std::string huge = Answer("200 OK", Keys().Jwks() + std::string(10 << 20, ' '));
  std::vector<std::unique_ptr<Provider>> providers;
  for (const std::map<std::string, std::string>& documents : std::vector<std::map<std::string, std::string>>{
           {{kDiscovery, http::RedirectTo("http://169.254.169.254/latest")}},
           {{kDiscovery, document("https://another.example", elsewhere.issuer() + "/keys")}},
           {{kDiscovery, http::RedirectTo(elsewhere.issuer() + kDiscovery)}},
           {{kDiscovery, huge}},
           {{kDiscovery, "HTTP/1.1 200 OK\r\n\x01\x02\r\n\r\n"}},
           {{kDiscovery, Answer("500 Oops")}},
           {{"/keys", http::RedirectTo("http://169.254.169.254/latest")}},
           {{"/keys", http::RedirectTo(elsewhere.issuer() + "/keys")}},
           {{"/keys", huge}},
           {{"/keys", Answer("200 OK", "<html>")}},
           {{"/keys", Answer("200 OK", R"({"keys":[]})")}},
       }) {
    providers.push_back(std::make_unique<Provider>(documents));
  }
  // And one that never answers.
  const ScriptedServer silent([](Peer& peer) {
    peer.ReadRequest();
    peer.AwaitEnd();
  });
  std::vector<std::string> issuers;
  for (const auto& provider : providers) issuers.push_back(provider->issuer());
  issuers.push_back(silent.Url(""));
  Start(issuers);
  for (const std::string& issuer : issuers) {
    const int status = Post(TokenOf(issuer));
    EXPECT_TRUE(status == 503 || status == 504) << status << ", provider " << (&issuer - issuers.data());
    EXPECT_EQ(PostAsPartner(), 201);
  }
  EXPECT_EQ(elsewhere.requests(), 0);
  // As soon as it is well again, at the next try: after 1 s, 2 s, 4 s.
  for (const auto& provider : providers) provider->Mend();
  for (const auto& provider : providers) {
    int status = 0;
    for (int i = 0; i < 300 && status != 201; ++i) {
      status = Post(TokenOf(provider->issuer()));
      if (status != 201) std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the schedule is in real time
    }
    EXPECT_EQ(status, 201) << provider->issuer();
  }
}

// Keys with one id: whichever made the signature counts, so that a duplicate locks nobody out and lets nobody in.
TEST_F(HostileProvider, MayHaveTwoKeysOfOneId) {
  const TestIssuer twin("key-1");
  const auto one_of = [](const std::string& set) { return json::parse(set)["keys"][0]; };
  const Provider provider(
      {{"/keys", Answer("200 OK", json{{"keys", {one_of(twin.Jwks()), one_of(Keys().Jwks())}}}.dump())}});
  Start({provider.issuer()});
  EXPECT_EQ(Post(TokenOf(provider.issuer())), 201);
  const TestIssuer stranger("key-1");
  EXPECT_EQ(Post("Authorization: Bearer " +
                 stranger.Sign({{"iss", provider.issuer()}, {"aud", "calls"}, {"sub", "ann"}, {"exp", Now() + 300}})),
            401);
}

// Anyone can make up key ids. (That a rotation is seen within the schedule meanwhile is shown with virtual time by
// JwksCacheTest.AFloodNeitherMultipliesFetchesNorHoldsARotationUp, at a thousand a second for an hour.)
TEST_F(HostileProvider, IsNotAskedForEveryKeyIdThatSomebodyMakesUp) {
  const Provider provider;
  Start({provider.issuer()});
  EXPECT_EQ(Post(TokenOf(provider.issuer())), 201);
  const int before = provider.requests();
  for (int i = 0; i < 1000; ++i) {
    const std::string header = json{{"alg", "RS256"}, {"kid", "made-up-" + std::to_string(i)}}.dump();
    const std::string claims = json{{"iss", provider.issuer()}, {"aud", "calls"}, {"sub", "ann"}}.dump();
    ASSERT_EQ(Post("Authorization: Bearer " + Base64UrlEncode(header) + "." + Base64UrlEncode(claims) + ".c2ln"), 401);
  }
  EXPECT_LE(provider.requests() - before, 2);  // the discovery document and the keys, once
  EXPECT_EQ(Post(TokenOf(provider.issuer())), 201);
}

}  // namespace
}  // namespace livekit::token
