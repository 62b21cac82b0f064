// The keys of a Kubernetes cluster: asked of its API server, and this pod's own token sent to nobody else.

#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/tls.h"
#include "key_sets.h"
#include "server/authn/jwks_fetch.h"
#include "server/authn/jwks_source.h"
#include "support/certificate.h"
#include "support/status_matchers.h"
#include "unit/http/client_fixture.h"
#include "unit/http/server_fixture.h"

namespace livekit::token {
namespace {

using absl::StatusCode;
using http::Answer;
using http::Client;
using http::HasCode;
using http::ScriptedServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsRefusal;
using ::testing::Not;

constexpr char kIssuer[] = "https://kubernetes.default.svc.cluster.local";
constexpr char kDiscovery[] = "/.well-known/openid-configuration";
constexpr char kKeys[] = "/openid/v1/jwks";
constexpr char kToken[] = "MARKSECRET.of-this.pod";

// An API server over TLS: knows one token at a time, and notes what it is asked.
class ApiServer final : public http::Handler {
 public:
  explicit ApiServer(const testing::CertificateFiles& files) {
    auto tls = http::TlsContext::FromFiles(files.cert_file, files.key_file);
    EXPECT_OK(tls);
    http::ServerOptions options;
    options.address = "127.0.0.1:0";
    options.threads = 1;
    options.tls = *std::move(tls);
    auto server = http::Server::Start(options, *this);
    EXPECT_OK(server);
    server_ = *std::move(server);
    Say(kDiscovery, Discovery(kIssuer, Url() + "/elsewhere"));
    Say(kKeys, KeySetText({"a"}));
  }
  ~ApiServer() override { server_.reset(); }

  std::string Url() const { return "https://127.0.0.1:" + std::to_string(server_->port()); }
  static std::string Discovery(const std::string& issuer, const std::string& jwks_uri) {
    return R"({"issuer":")" + issuer + R"(","jwks_uri":")" + jwks_uri + "\"}";
  }

  void Say(const std::string& path, const std::string& body) {
    SayResponse(path, [&] {
      http::Response response;
      response.content_type = "application/json";
      response.body = body;
      return response;
    }());
  }
  void SayResponse(const std::string& path, http::Response response) {
    const std::lock_guard lock(mutex_);
    answers_[path] = std::move(response);
  }
  void Accept(const std::string& token) {
    const std::lock_guard lock(mutex_);
    token_ = token;
  }
  std::vector<std::string> paths() const {
    const std::lock_guard lock(mutex_);
    return paths_;
  }

  void Handle(const http::Request& request, http::Respond respond) override {
    http::Response response;
    {
      const std::lock_guard lock(mutex_);
      paths_.push_back(request.path);
      const auto answer = answers_.find(request.path);
      if (request.HeaderValues("authorization") != std::vector<std::string_view>{"Bearer " + token_}) {
        response.status = 401;
      } else if (answer == answers_.end()) {
        response.status = 404;
      } else {
        response = answer->second;
      }
    }
    respond(std::move(response));
  }
  http::Response Refuse(const http::Request& /*request*/, v1::ErrorReason /*reason*/) override { return {}; }

 private:
  mutable std::mutex mutex_;
  std::string token_ = kToken;
  std::map<std::string, http::Response> answers_;
  std::vector<std::string> paths_;
  std::unique_ptr<http::Server> server_;
};

class KubernetesApiTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK_AND_ASSIGN(client_, Client::Start()); }

  JwksLocation Location() const {
    JwksLocation location;
    location.issuer = kIssuer;
    location.api_server = api_.Url();
    location.bearer_token_file = token_file_;
    location.ca_file = files_.cert_file;
    location.timeout = std::chrono::seconds(60);
    return location;
  }
  absl::StatusOr<JwksDocument> Fetch(const JwksLocation& location) {
    std::promise<absl::StatusOr<JwksDocument>> promise;
    FetchJwks(*client_, location, [&](auto document) { promise.set_value(std::move(document)); });
    auto document = promise.get_future().get();
    EXPECT_THAT(document.status().ToString(), Not(HasSubstr("MARKSECRET")));
    return document;
  }
  absl::StatusOr<JwksDocument> Fetch() { return Fetch(Location()); }

  testing::TempFolder folder_;
  testing::CertificateFiles files_ = WriteCertificate(folder_, "api");
  std::string token_file_ = folder_.Write("token", std::string(kToken) + "\n");
  ApiServer api_{files_};
  std::unique_ptr<Client> client_;
};

TEST_F(KubernetesApiTest, FetchesTheKeysOfTheApiServerItself) {
  ASSERT_OK_AND_ASSIGN(const JwksDocument document, Fetch());
  EXPECT_EQ(document.text, KeySetText({"a"}));
  EXPECT_THAT(api_.paths(), ElementsAre(kDiscovery, kKeys));
}

TEST_F(KubernetesApiTest, FollowsNoRedirectNotEvenOnTheSameServer) {
  const ScriptedServer other(
      http::Answering([](const std::string&) { return Answer("200 OK", KeySetText({"evil"})); }));
  for (const char* path : {kDiscovery, kKeys}) {
    for (const std::string& target : {other.Url("/"), api_.Url() + "/x"}) {
      for (const int status : {301, 302, 303, 307, 308}) {
        http::Response redirect;
        redirect.status = status;
        redirect.headers = {{"Location", target}};
        api_.SayResponse(path, redirect);
        EXPECT_THAT(Fetch(), HasCode(StatusCode::kUnavailable, "status " + std::to_string(status)));
      }
    }
    api_.Say(kDiscovery, ApiServer::Discovery(kIssuer, "https://x"));
  }
  EXPECT_EQ(other.connections(), 0);
  EXPECT_THAT(api_.paths(), Not(::testing::Contains("/x")));
}

TEST_F(KubernetesApiTest, TellsItsTokenOnlyToAServerWithTheClustersCertificate) {
  JwksLocation location = Location();
  location.ca_file = WriteCertificate(folder_, "other").cert_file;
  EXPECT_THAT(Fetch(location), HasCode(StatusCode::kUnauthenticated, "certificate is not accepted"));
  location.ca_file.clear();
  EXPECT_THAT(Fetch(location), HasCode(StatusCode::kUnauthenticated, "certificate is not accepted"));
  location.ca_file = folder_.path() + "/none";
  EXPECT_THAT(Fetch(location), HasCode(StatusCode::kUnauthenticated, ""));
  location = Location();
  location.api_server = "http://127.0.0.1:" + api_.Url().substr(api_.Url().rfind(':') + 1);
  EXPECT_THAT(Fetch(location), HasCode(StatusCode::kInvalidArgument, "scheme http"));
  EXPECT_TRUE(api_.paths().empty());
}

// The kubelet renews the token in its file.
TEST_F(KubernetesApiTest, ReadsTheTokenAnewForEachFetch) {
  ASSERT_OK(Fetch());
  api_.Accept("MARKSECRET-of-tomorrow");
  EXPECT_THAT(Fetch(), HasCode(StatusCode::kUnavailable, "discovery document: the server answered with status 401"));
  folder_.Write("token", "MARKSECRET-of-tomorrow \r\n\n");
  EXPECT_OK(Fetch());
}

TEST_F(KubernetesApiTest, SaysWhatIsWrongWithTheToken) {
  JwksLocation location = Location();
  location.bearer_token_file = folder_.path() + "/none";
  EXPECT_THAT(Fetch(location), HasCode(StatusCode::kUnavailable, "token file: it cannot be read"));
  // What is no token must not become a header.
  for (const std::string& text : {std::string(), std::string("\n"), std::string("a b"), std::string("a\nX-Evil: b"),
                                  std::string("a\r\nHost: evil"), std::string("a\0b", 3), std::string("\xc3\xa4")}) {
    folder_.Write("token", text);
    EXPECT_THAT(Fetch(), HasCode(StatusCode::kUnavailable, "token file: it holds no token")) << text;
  }
  folder_.Write("token", std::string(70'000, 'a'));
  EXPECT_THAT(Fetch(), HasCode(StatusCode::kUnavailable, "token file: it cannot be read"));
  EXPECT_TRUE(api_.paths().empty());
}

TEST_F(KubernetesApiTest, OtherIssuersGetNoToken) {
  std::promise<std::string> asked;
  const ScriptedServer issuer([&](http::Peer& peer) {
    asked.set_value(peer.ReadRequest());
    peer.Send(Answer("200 OK", KeySetText({"a"})));
  });
  JwksLocation location;
  location.issuer = "https://id.example";
  location.jwks_uri = issuer.Url("/keys");
  location.allow_http = true;
  ASSERT_OK(Fetch(location));
  EXPECT_THAT(asked.get_future().get(), Not(HasSubstr("uthorization")));
}

}  // namespace
}  // namespace livekit::token
