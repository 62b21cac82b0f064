// The metrics of running programs: those of metric_table.h, all of them and no others, and nothing that anybody sent.

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "service/metric_table.h"
#include "service/series.h"
#include "support/certificate.h"
#include "support/program.h"
#include "support/raw_client.h"
#include "support/test_issuer.h"
#include "support/tls_client.h"
#include "unit/http/client_fixture.h"

namespace livekit::token {
namespace {

using http::Answer;
using http::ScriptedServer;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace testing;  // NOLINT: the helpers of tests/support

// In everything that clients send and choose, in lower case too: no metric may have it.
constexpr char kMark[] = "zqx";
constexpr int kFlood = 110;  // more than kMaxSeries

// What a program shows.
struct Page {
  explicit Page(std::string shown) : text(std::move(shown)) {
    std::istringstream lines(text);
    const std::regex comment(R"(# (HELP|TYPE) (\S+) (.*))");
    const std::regex sample(R"((\w+)(?:\{(.*)\})? (\S+))");
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (std::regex_match(line, match, comment)) {
        (match[1] == "HELP" ? helps : types)[match[2]] = match[3];
      } else if (std::regex_match(line, match, sample)) {
        Add(match[1], match[2]);
      } else {
        ADD_FAILURE() << line;
      }
    }
  }

  void Add(const std::string& sample, const std::string& labels) {
    std::string name = sample;
    const std::string family = std::regex_replace(name, std::regex("_(bucket|sum|count)$"), "");
    if (types.count(family) == 1 && types[family] == "histogram") name = family;
    std::set<std::string> names;
    std::string without_bounds;
    const std::regex label(R"re((\w+)="((?:[^"\\]|\\.)*)")re");
    for (auto it = std::sregex_iterator(labels.begin(), labels.end(), label); it != std::sregex_iterator(); ++it) {
      if ((*it)[1] == "le" && sample == name + "_bucket") continue;
      names.insert((*it)[1]);
      without_bounds += it->str() + ",";
    }
    label_names[name].insert(names);
    series[name].insert(without_bounds);
  }

  const std::string text;
  std::map<std::string, std::string> helps, types;
  std::map<std::string, std::set<std::set<std::string>>> label_names;
  std::map<std::string, std::set<std::string>> series;
};

std::string TypeName(MetricType type) {
  return type == MetricType::kCounter ? "counter" : type == MetricType::kGauge ? "gauge" : "histogram";
}

// The page has each row of the table that the program promises, and nothing else.
void ExpectTable(const Page& page, unsigned program) {
  std::set<std::string> names;
  for (const MetricRow& row : kMetricTable) {
    if ((row.programs & program) == 0) continue;
    const std::string name(row.name);
    names.insert(name);
    if (page.series.count(name) == 0) {
      ADD_FAILURE() << name << " is not shown";
      continue;
    }
    EXPECT_EQ(page.types.count(name) == 1 ? page.types.at(name) : "", TypeName(row.type)) << name;
    EXPECT_EQ(page.helps.count(name) == 1 ? page.helps.at(name) : "", row.help) << name;
    std::set<std::string> labels;
    for (const std::string_view label : row.labels) {
      if (!label.empty()) labels.emplace(label);
    }
    EXPECT_EQ(page.label_names.at(name), std::set<std::set<std::string>>{labels}) << name;
  }
  for (const auto& [name, series] : page.series) EXPECT_EQ(names.count(name), 1u) << name << " is not in the table";
  for (const auto& [name, type] : page.types) EXPECT_EQ(names.count(name), 1u) << name << " is not in the table";
}

// And nothing that somebody sent, not too much, and no mistake of ours.
void ExpectClean(const Page& page) {
  EXPECT_THAT(AsciiLower(page.text), Not(HasSubstr(kMark)));
  EXPECT_THAT(page.text, Not(HasSubstr("\"INTERNAL\"")));
  for (const auto& [name, series] : page.series) EXPECT_LE(series.size(), kMaxSeries) << name;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class MetricsTest : public ::testing::Test {
 protected:
  MetricsTest() {
    CertificateOptions options;
    options.authority = true;
    options.common_name = "authority";
    WriteCertificate(folder_, "ca", options);
    const std::string ca = folder_.path() + "/ca";
    const CertificateFiles authority{ca + ".crt", ca + ".key"};
    options = {};
    options.issuer = &authority;
    options.uri_names = {kCaller};
    for (const char* name : {"server", "gateway"}) WriteCertificate(folder_, name, options);
    folder_.Write("keys.yaml",
                  "APIfirst: first-0123456789abcdefghijklmnopq\nAPIsecond: second-0123456789abcdefghijklmnop\n");
  }

  // Files appear whole, as those who replace them should do it.
  std::string Put(const std::string& name, std::string text) const {
    for (std::size_t at = 0; (at = text.find("$DIR", at)) != std::string::npos;) text.replace(at, 4, folder_.path());
    const std::string path = folder_.path() + "/" + name;
    std::filesystem::rename(folder_.Write(name + ".new", text), path);
    return path;
  }
  // `authenticators`: lines with more of them.
  std::string ServerYaml(const std::string& signing_key, const std::string& authenticators = "") const {
    return R"(
rate_limits: { per_address: 1/h burst 1, auth_failures_per_address: off, per_principal: off }
projects: [ { name: main, client_url: "wss://a.example", keys: { file: $DIR/keys.yaml, signing_key: )" +
           signing_key + R"( } } ]
authenticators:
  - { name: anyone, anonymous: {} }
)" + authenticators +
           R"(  - { name: app, jwt: { issuer: "https://app.example", audiences: [calls], jwks_uri: ")" +
           provider_.Url("/keys") + R"(", allow_http: true } }
  - { name: dead, jwt: { issuer: "https://dead.example", audiences: [calls], jwks_uri: ")" +
           dead_.Url("/keys") + R"(", allow_http: true } }
  - name: session
    forward_auth: { url: ")" +
           provider_.Url("/session") + R"(", allow_http: true, forward_cookies: [sid], subject: { json: id } }
policies:
  - { name: guest, match: { authenticator: anyone }, room: { client: allow }, identity: { client: allow } }
  - { name: user, match: { authenticator: app }, room: { client: allow, prefix: room- } }
  - { name: member, match: { authenticator: session }, room: { client: allow } }
  - { name: user_of_dead, match: { authenticator: dead }, room: { client: allow } }
drain: { delay: 0s }
)";
  }
  static std::string GatewayYaml(const std::string& level) {
    return "log_level: " + level +
           "\nlisten: { http: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", tls: { cert_file: $DIR/server.crt, key_file: "
           "$DIR/server.key } }\nrelay_headers: [authorization, x-api-key]\nrelay_cookies: [sid]\n"
           "drain: { delay: 0s }\n";
  }

  // Starts it; its HTTP and gRPC ports are those that are asked from then on.
  Program& Start(const std::string& name, const std::string& config, const std::vector<std::string>& listeners,
                 std::vector<std::string> flags = {}) {
    flags.push_back("--config=" + config);
    programs_.push_back(std::make_unique<Program>("livekit-token-" + name, flags));
    for (const std::string& listener : listeners) {
      ports_[listener] = programs_.back()->AwaitPort(listener);
      EXPECT_NE(ports_[listener], 0) << programs_.back()->Output();
    }
    admin_[name] = programs_.back()->AwaitPort("admin");
    return *programs_.back();
  }
  Page Shown(const std::string& name) const {
    return Page(RawClient(admin_.at(name)).Exchange(GetRequest("/metrics")).value_or(RawResponse{}).body);
  }
  bool Await(const std::string& name, const std::function<bool(const Page&)>& condition) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition(Shown(name))) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // only polls another process
    }
    return true;
  }
  // Replaces the file and waits until it is in use.
  void Reload(const std::string& name, const std::string& file, const std::string& text) const {
    const auto before = Shown(name).series.at("config_generation_info");
    Put(file, text);
    EXPECT_TRUE(Await(name, [&](const Page& page) { return page.series.at("config_generation_info") != before; }))
        << name;
  }

  // The status of the answer.
  int Send(const std::string& bytes) const {
    const auto response = TlsClient(ports_.at("http")).Exchange(bytes);
    return response ? response->status : 0;
  }
  int Post(const std::string& headers, const std::string& body, const std::string& path = "/getToken") const {
    return Send(PostRequest(path, body, headers));
  }
  static std::string TokenOf(const std::string& issuer) {
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    return "Authorization: Bearer " +
           Keys().Sign({{"iss", issuer}, {"aud", "calls"}, {"sub", "zqx-subject"}, {"exp", now + 300}, {"iat", now}}) +
           "\r\n";
  }
  static const TestIssuer& Keys() {
    static const auto* const issuer = new TestIssuer("zqx-key");
    return *issuer;
  }

  // One of each outcome.
  void Ask() const {
    const std::string user = TokenOf("https://app.example");
    const std::string body = R"({"room_name":"room-zqx"})";
    EXPECT_EQ(Post(user, body), 201);
    EXPECT_EQ(Post("Cookie: sid=zqx\r\n", body), 201);
    EXPECT_EQ(Post("", R"({"room_name":"zqx","participant_identity":"zqx","zqx":1})"), 201);
    EXPECT_EQ(Post("", R"({"room_name":"zqx","participant_identity":"zqx"})"), 429);
    EXPECT_EQ(Post(user, R"({"room_name":"zqx"})"), 403);
    EXPECT_EQ(Post(user, R"({"room_name":"zqx)"), 400);
    EXPECT_EQ(Post(TokenOf("https://dead.example"), body), 503);
  }

  // As many as there are of everything that a client can choose.
  void Flood() {
    const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(ports_.at("grpc")), credentials_);
    grpc::GenericStub stub(channel);
    const std::string user = TokenOf("https://app.example");
    std::optional<TlsClient> client;
    for (int i = 0; i < kFlood; ++i) {
      const std::string id = kMark + std::to_string(i);
      for (const std::string& request :
           {PostRequest("/" + id, "{}"), PostRequest("/getToken/" + id, "{}"), PostRequest("/getToken?" + id, "{}"),
            std::string("ZQX" + std::to_string(i) + " /getToken HTTP/1.1\r\nHost: a\r\n\r\n"),
            PostRequest("/getToken", R"({"room_name":"room-)" + id + "\"}", user),
            PostRequest("/getToken", "{}", TokenOf("https://" + id + ".example")),
            PostRequest("/getToken", "{}", "X-Api-Key: " + id + "." + id + "\r\n"),
            PostRequest("/getToken", "{}", "Origin: https://" + id + ".example\r\nUser-Agent: " + id + "\r\n"),
            PostRequest("/getToken", "{\"" + id + "\":1}",
                        "X-" + id + ": " + id + "\r\nX-Request-Id: " + id + "\r\n" + user)}) {
        if (client && client->Exchange(request)) continue;
        client.emplace(ports_.at("http"));  // some answers are the last of their connection
        EXPECT_TRUE(client->Exchange(request).has_value()) << request;
      }
      for (const std::string& method : {"/livekit.token.v1.TokenService/" + id, "/" + id + "/" + id,
                                        std::string("/livekit.token.v1.TokenService/IssueParticipantToken")}) {
        EXPECT_NE(Call(stub, method, id), grpc::StatusCode::OK);
      }
    }
  }
  static grpc::StatusCode Call(grpc::GenericStub& stub, const std::string& method, const std::string& id) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    context.AddMetadata("x-caller-authorization", "Bearer " + id + "." + id);
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(), &queue);
    call->StartCall();
    grpc::ByteBuffer answer;
    grpc::Status status;
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool good = false;
    queue.Next(&tag, &good);
    return status.error_code();
  }

  // What holds of a program that signs.
  void ExpectProviders(const Page& page) const {
    EXPECT_THAT(page.text, HasSubstr("livekit_token_jwks_last_success_timestamp_seconds{authenticator=\"app\"} "));
    EXPECT_THAT(page.text,
                HasSubstr("livekit_token_jwks_fetches_total{authenticator=\"dead\",outcome=\"success\"} 0\n"));
    EXPECT_THAT(page.text, Not(HasSubstr("timestamp_seconds{authenticator=\"dead\"}")));
    for (const char* line : {R"(livekit_token_authentications_total{authenticator="dead",outcome="unavailable"} 1)",
                             R"(livekit_token_authentications_total{authenticator="dead",outcome="accepted"} 0)",
                             R"(livekit_token_key_state{project="main",key="APIfirst",state="retiring"} 1)",
                             R"(livekit_token_issued_total{caller="user",key="APIfirst",kind="participant"} )",
                             R"(ratelimit_rejected_total{scope="per_address"} )"}) {
      EXPECT_THAT(page.text, HasSubstr(line));
    }
  }
  static bool DeadIsSeen(const Page& page) {
    return std::regex_search(page.text,
                             std::regex(R"re(jwks_fetches_total\{authenticator="dead",outcome="failure"\} [1-9])re"));
  }
  static void ExpectOthers(const Page& page) {
    EXPECT_THAT(page.text, HasSubstr(R"(http_route="_OTHER")"));
    EXPECT_THAT(page.text, HasSubstr(R"(http_request_method="_OTHER")"));
  }

  static constexpr char kCaller[] = "spiffe://a.example/gateway";

  TempFolder folder_;
  ScriptedServer provider_{http::Answering([](const std::string& request) {
    return request.starts_with("GET /keys ")
               ? Answer("200 OK", Keys().Jwks())
               : Answer("200 OK", R"({"id":"zqx"})", "Content-Type: application/json\r\n");
  })};
  // Ends each connection without a word.
  ScriptedServer dead_{[](http::Peer& peer) { peer.ReadRequest(); }};
  std::vector<std::unique_ptr<Program>> programs_;
  std::map<std::string, int> ports_;
  std::map<std::string, int> admin_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_ = grpc::InsecureChannelCredentials();
};

TEST_F(MetricsTest, OfAStandaloneAreThoseOfTheTable) {
  const auto yaml = [this](const std::string& signing_key) {
    std::istringstream lines(GatewayYaml("info"));
    std::string section = "gateway:\n";
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("listen: "))
        line = std::regex_replace(line, std::regex(R"re( admin: "127.0.0.1:0",)re"), "");
      if (!line.starts_with("log_level") && !line.starts_with("drain")) section += "  " + line + "\n";
    }
    return "listen: { grpc: \"127.0.0.1:0\", admin: \"127.0.0.1:0\" }\n" + ServerYaml(signing_key) + section;
  };
  Start("standalone", Put("token.yaml", yaml("APIfirst")), {"http", "grpc"});
  ASSERT_FALSE(HasFailure());
  // Nobody has asked for a token yet.
  EXPECT_TRUE(Await("standalone", DeadIsSeen));
  Ask();
  Reload("standalone", "token.yaml", yaml("APIsecond"));
  Flood();
  const Page page = Shown("standalone");
  ExpectTable(page, kStandalone);
  ExpectClean(page);
  ExpectOthers(page);
  ExpectProviders(page);
}

TEST_F(MetricsTest, OfAServerAndAGatewayAreThoseOfTheTable) {
  const auto yaml = [this](const std::string& signing_key) {
    return "listen: { grpc: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", tls: { cert_file: $DIR/server.crt, key_file: "
           "$DIR/server.key, client_ca_file: $DIR/ca.crt } }\n" +
           ServerYaml(signing_key,
                      std::string("  - { name: workloads, mtls: { uri_sans: [\"") + kCaller + "\"] } }\n") +
           "services: [ { name: gateway, match: { authenticator: workloads, subject: \"" + kCaller +
           "\" }, relay: true } ]\n";
  };
  Start("server", Put("server.yaml", yaml("APIfirst")), {"grpc"});
  ASSERT_FALSE(HasFailure());
  const auto gateway = [this](const std::string& level) {
    return GatewayYaml(level) + "server: { address: \"127.0.0.1:" + std::to_string(ports_.at("grpc")) +
           "\", tls: { ca_file: $DIR/ca.crt, cert_file: $DIR/gateway.crt, "
           "key_file: $DIR/gateway.key } }\n";
  };
  Start("gateway", Put("gateway.yaml", gateway("info")), {"http"});
  ASSERT_FALSE(HasFailure());
  credentials_ = grpc::SslCredentials({ReadFile(folder_.path() + "/ca.crt"), ReadFile(folder_.path() + "/gateway.key"),
                                       ReadFile(folder_.path() + "/gateway.crt")});
  EXPECT_TRUE(Await("server", DeadIsSeen));
  Ask();
  Reload("server", "server.yaml", yaml("APIsecond"));
  Reload("gateway", "gateway.yaml", gateway("warn"));
  Flood();
  for (const auto& [name, program] : {std::pair("server", kServer), std::pair("gateway", kGateway)}) {
    SCOPED_TRACE(name);
    const Page page = Shown(name);
    ExpectTable(page, program);
    ExpectClean(page);
  }
  ExpectOthers(Shown("gateway"));
  ExpectProviders(Shown("server"));
}

}  // namespace
}  // namespace livekit::token
