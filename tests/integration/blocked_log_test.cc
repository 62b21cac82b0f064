// A program whose log nobody reads any more.

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using livekit::token::testing::GetRequest;
using livekit::token::testing::PostRequest;
using livekit::token::testing::Program;
using livekit::token::testing::RawClient;
using livekit::token::testing::TempFolder;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Standard error of a program, of which a page is kept until it is read.
class Log {
 public:
  Log() {
    EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0);
    EXPECT_EQ(fcntl(ends_[1], F_SETPIPE_SZ, PIPE_BUF), PIPE_BUF);
  }
  ~Log() {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  int write_end() const { return ends_[1]; }
  int read_end() const { return ends_[0]; }

  // Reads no further than needed. 0 if the program ends before.
  int AwaitPort(const std::string& listener) {
    std::string line;
    for (char c = 0; read(ends_[0], &c, 1) == 1;) {
      if (c != '\n') {
        line.push_back(c);
        continue;
      }
      const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
      line.clear();
      if (!json.is_object() || json.value("event", "") != "listening" || json.value("name", "") != listener) continue;
      const std::string address = json.value("address", "");
      return std::stoi(address.substr(address.rfind(':') + 1));
    }
    return 0;
  }

 private:
  std::array<int, 2> ends_{};
};

double DroppedLines(int admin) {
  const auto answer = RawClient(admin).Exchange(GetRequest("/metrics"));
  if (!answer) return -1;
  const std::string name = "\nlog_dropped_total ";
  const std::size_t at = answer->body.find(name);
  return at == std::string::npos ? -1 : std::stod(answer->body.substr(at + name.size()));
}

TEST(BlockedLog, NeitherStopsAnswersNorTheEnd) {
  const TempFolder folder;
  Log log;
  Program gateway("livekit-token-gateway",
                  {"--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0", "--server_address=unix:" + folder.path(),
                   "--config=" + folder.Write("gateway.yaml", "drain: { delay: 0s, timeout: 5s }\n")},
                  {}, "", log.write_end());
  const int admin = log.AwaitPort("admin");
  const int http = log.AwaitPort("http");
  ASSERT_NE(admin, 0);
  ASSERT_NE(http, 0);

  // As many lines as the queue holds and some more.
  const std::string request = PostRequest("/nowhere", "{}");
  const auto start = steady_clock::now();
  for (int i = 0; i < 9'000; ++i) {
    const auto answer = RawClient(http).Exchange(request);
    ASSERT_TRUE(answer) << i;
    ASSERT_EQ(answer->status, 404);
  }
  EXPECT_LT(steady_clock::now() - start, seconds(60));
  const double dropped = DroppedLines(admin);
  EXPECT_GT(dropped, 500);
  EXPECT_LT(dropped, 9'000 - 8'000);

  const auto stop = steady_clock::now();
  gateway.Signal(SIGTERM);
  EXPECT_EQ(gateway.Wait(), 0);
  EXPECT_LT(steady_clock::now() - stop, seconds(4));
}

TEST(BlockedLog, OnAFullDiskIsCounted) {
  const TempFolder folder;
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  const std::string socket = folder.path() + "/grpc";
  Program server("livekit-token-server", {"--dev", "--grpc_listen=unix:" + socket, "--admin_listen=127.0.0.1:0"}, {},
                 "", full);
  close(full);
  // The banner of --dev stands on standard output once it serves.
  const auto end = steady_clock::now() + seconds(30);
  while (server.Output().empty() && server.Running() && steady_clock::now() < end) usleep(2'000);
  EXPECT_FALSE(server.Output().empty());
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
}

TEST(BlockedLog, StillSaysWhyAStartFailed) {
  Log log;
  Program gateway("livekit-token-gateway", {"--http_listen=192.0.2.1:1", "--admin_listen=127.0.0.1:0"}, {}, "",
                  log.write_end());
  const auto start = steady_clock::now();
  EXPECT_EQ(gateway.Wait(), 1);
  EXPECT_LT(steady_clock::now() - start, seconds(10));
  std::string text(PIPE_BUF, '\0');
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, read(log.read_end(), text.data(), text.size()))));
  EXPECT_THAT(text, ::testing::HasSubstr("start_failed"));
}

}  // namespace
}  // namespace livekit::token
