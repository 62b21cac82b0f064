// The record of decisions of a running program: where it cannot be written, and where its file is moved away.

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "nlohmann/json.hpp"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;
using testing::GetRequest;
using ::testing::HasSubstr;
using testing::PostRequest;
using testing::Program;
using testing::RawClient;
using testing::RawResponse;
using testing::TempFolder;

constexpr std::chrono::seconds kPatience{30};

// Polls another process.
bool Await(const std::function<bool()>& condition) {
  const auto end = steady_clock::now() + kPatience;
  while (!condition()) {
    if (steady_clock::now() > end) return false;
    usleep(2'000);
  }
  return true;
}

class AuditProgram : public ::testing::Test {
 protected:
  void Start(bool blocking) {
    config_ = folder_.Write("token.yaml", std::string(R"(
listen: { grpc: "127.0.0.1:0", admin: "127.0.0.1:0" }
projects: [ { name: main, client_url: "wss://livekit.example", keys: { env: true } } ]
authenticators: [ { name: anyone, anonymous: {} } ]
policies: [ { name: guests, match: { authenticator: anyone }, room: { client: allow } } ]
gateway: { listen: { http: "127.0.0.1:0" } }
drain: { delay: 0s }
audit: { file: ")") + file_ +
                                              "\", blocking: " + (blocking ? "true" : "false") + " }\n");
    program_ = std::make_unique<Program>(
        "livekit-token-standalone", std::vector<std::string>{"--config=" + config_},
        std::map<std::string, std::string>{{"LIVEKIT_API_KEY", "APIaudit"},
                                           {"LIVEKIT_API_SECRET", "MARKER-audit-secret-0123456789abcdefghij"}});
    http_ = program_->AwaitPort("http");
    ASSERT_NE(http_, 0) << program_->Output();
    admin_ = program_->AwaitPort("admin");
    stub_ = v1::TokenService::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(program_->AwaitPort("grpc")),
                                                          grpc::InsecureChannelCredentials()));
  }
  void Stop() {
    stub_.reset();  // or the server waits for its connection
    program_->Signal(SIGTERM);
    EXPECT_EQ(program_->Wait(), 0) << program_->Output();
  }

  RawResponse Post(const std::string& id = "") const {
    const std::string header = id.empty() ? "" : "X-Request-Id: " + id + "\r\n";
    return RawClient(http_).Exchange(PostRequest("/getToken", R"({"room_name":"r"})", header)).value_or(RawResponse());
  }
  grpc::Status Call() const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    v1::IssueParticipantTokenRequest request;
    request.mutable_request()->set_room_name("r");
    v1::IssueParticipantTokenResponse response;
    const grpc::Status status = stub_->IssueParticipantToken(&context, request, &response);
    EXPECT_EQ(response.ByteSizeLong() == 0, !status.ok());
    return status;
  }
  // 0 if there is no such series.
  double Metric(const std::string& series) const {
    const auto page = RawClient(admin_).Exchange(GetRequest("/metrics"));
    const std::string text = "\n" + (page ? page->body : "");
    const std::size_t at = text.find("\n" + series + " ");
    return at == std::string::npos ? 0 : std::stod(text.substr(at + series.size() + 2));
  }
  double Dropped() const { return Metric("livekit_token_audit_dropped_total"); }
  double Issued() const {
    return Metric(R"(livekit_token_issued_total{caller="guests",key="APIaudit",kind="participant"})");
  }

  void ExpectRefused(double already_dropped) {
    const RawResponse http = Post();
    EXPECT_EQ(http.status, 503);
    EXPECT_EQ(http.Header("retry-after"), "1");
    EXPECT_EQ(json::parse(http.body, nullptr, false).value("reason", ""), "UNAVAILABLE") << http.body;
    EXPECT_THAT(http.body, ::testing::Not(HasSubstr("participant_token")));
    const grpc::Status grpc = Call();
    EXPECT_EQ(grpc.error_code(), grpc::StatusCode::UNAVAILABLE) << grpc.error_message();
    EXPECT_THAT(grpc.error_details(), HasSubstr("UNAVAILABLE"));
    EXPECT_EQ(Dropped(), already_dropped + 2);
    EXPECT_EQ(Issued(), 0);
    EXPECT_EQ(Metric(R"(livekit_token_denied_total{caller="other",reason="UNAVAILABLE"})"), already_dropped + 2);
  }

  // How often each request id that begins with `name` stands in the events of a file.
  static std::map<std::string, int> RequestsIn(const std::string& path, const std::string& name) {
    std::map<std::string, int> ids;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      const json event = json::parse(line, nullptr, false);
      EXPECT_EQ(event.is_object() ? event.value("outcome", "") : "", "issued") << line;
      const std::string id = event.is_object() ? event.value("request_id", "") : "";
      if (id.starts_with(name)) ++ids[id];
    }
    return ids;
  }
  // Asks for tokens until there is an event in a new file, then for some more, and looks for all of them.
  void Rotate(const std::string& name) {
    int asked = 0;
    const auto ask = [&] { EXPECT_EQ(Post(name + std::to_string(asked++)).status, 201); };
    for (int i = 0; i < 20; ++i) ask();
    const std::string old = file_ + "." + name;
    std::filesystem::rename(file_, old);
    for (int i = 0; i < 20; ++i) ask();
    // What has been written before the signal stays in the old file.
    EXPECT_TRUE(Await([&] { return RequestsIn(old, name).size() == 40; }));
    program_->Signal(SIGHUP);
    EXPECT_TRUE(Await([&] {
      ask();
      std::error_code error;
      return std::filesystem::exists(file_, error) && std::filesystem::file_size(file_, error) > 0;
    })) << program_->Output();
    const int first_new = asked;
    for (int i = 0; i < 20; ++i) ask();
    const auto both = [&] {
      auto ids = RequestsIn(old, name);
      for (const auto& [id, count] : RequestsIn(file_, name)) ids[id] += count;
      return ids;
    };
    EXPECT_TRUE(Await([&] { return both().size() >= static_cast<std::size_t>(asked); }));
    const auto all = both();
    const auto in_new = RequestsIn(file_, name);
    for (int i = 0; i < asked; ++i) {
      const std::string id = name + std::to_string(i);
      EXPECT_EQ(all.contains(id) ? all.at(id) : 0, 1) << id;
      // Those in between were asked for while the file was being opened.
      EXPECT_TRUE((i >= 40 || !in_new.contains(id)) && (i < first_new || in_new.contains(id))) << id;
    }
    EXPECT_EQ(Dropped(), 0);
    EXPECT_EQ(std::filesystem::status(file_).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }

  TempFolder folder_;
  const std::string file_ = folder_.path() + "/audit.jsonl";
  std::string config_;
  std::unique_ptr<Program> program_;
  std::unique_ptr<v1::TokenService::Stub> stub_;
  int http_ = 0;
  int admin_ = 0;
};

TEST_F(AuditProgram, RefusesWhatItCannotRecordOnAFullDiskUntilThereIsRoom) {
  std::filesystem::create_symlink("/dev/full", file_);
  Start(/*blocking=*/true);
  ExpectRefused(0);
  ExpectRefused(2);
  std::filesystem::remove(file_);
  program_->Signal(SIGHUP);
  EXPECT_TRUE(Await([&] { return Post().status == 201; })) << program_->Output();
  const double dropped = Dropped();
  EXPECT_TRUE(Call().ok());
  EXPECT_EQ(Dropped(), dropped);
  EXPECT_EQ(Issued(), 2);
  EXPECT_EQ(RequestsIn(file_, "").size(), 2U);
  Stop();
}

TEST_F(AuditProgram, RefusesWithinASecondWhileNobodyReadsWhatItRecords) {
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  const int reader = open(file_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_EQ(fcntl(reader, F_SETPIPE_SZ, PIPE_BUF), PIPE_BUF);
  const std::string page(PIPE_BUF, '-');
  ASSERT_EQ(write(reader, page.data(), page.size()), PIPE_BUF);
  Start(/*blocking=*/true);
  const auto start = steady_clock::now();
  ExpectRefused(0);
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(5));  // for both, one after the other
  std::string text(2 * PIPE_BUF, '\0');
  EXPECT_EQ(read(reader, text.data(), text.size()), PIPE_BUF);  // nothing of what was refused
  EXPECT_EQ(Post().status, 201);
  EXPECT_EQ(Issued(), 1);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, read(reader, text.data(), text.size()))));
  EXPECT_THAT(text, HasSubstr(R"("outcome":"issued")"));
  Stop();
  close(reader);
}

TEST_F(AuditProgram, DropsAndCountsWhereNobodyWaits) {
  std::filesystem::create_symlink("/dev/full", file_);
  Start(/*blocking=*/false);
  EXPECT_EQ(Dropped(), 0);
  EXPECT_EQ(Post().status, 201);
  EXPECT_TRUE(Call().ok());
  EXPECT_EQ(Issued(), 2);
  EXPECT_TRUE(Await([&] { return Dropped() == 2; })) << Dropped();
  std::filesystem::remove(file_);
  program_->Signal(SIGHUP);
  EXPECT_TRUE(Await([&] { return std::filesystem::exists(file_); }));
  EXPECT_EQ(Post("recorded").status, 201);
  EXPECT_TRUE(Await([&] { return RequestsIn(file_, "").contains("recorded"); }));
  EXPECT_EQ(Dropped(), 2);
  Stop();
}

TEST_F(AuditProgram, LosesNothingWhenItsFileIsRotated) {
  Start(/*blocking=*/false);
  Rotate("a");
  Rotate("b");
  Stop();
}

TEST_F(AuditProgram, LosesNothingWhenItsFileIsRotatedAndRequestsWaitForIt) {
  Start(/*blocking=*/true);
  Rotate("a");
  Stop();
}

TEST_F(AuditProgram, IsRotatedAlsoWhileAConfigurationIsRefused) {
  Start(/*blocking=*/false);
  std::ofstream(config_, std::ios::app) << "no_such_key: 1\n";
  program_->Signal(SIGHUP);
  ASSERT_TRUE(Await([&] { return program_->Output().find("config_refused") != std::string::npos; }));
  Rotate("a");
  Stop();
}

}  // namespace
}  // namespace livekit::token
