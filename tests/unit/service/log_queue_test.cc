// In a program of its own, since the queue cannot be stopped again.
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "service/log.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;

TEST(LogQueue, DropsAndCountsWhatNobodyReadsAndNeverWaits) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(pipe2(pipe.data(), O_CLOEXEC), 0);
  ASSERT_EQ(fcntl(pipe[1], F_SETPIPE_SZ, PIPE_BUF), PIPE_BUF);
  const int terminal = dup(STDERR_FILENO);
  ASSERT_EQ(dup2(pipe[1], STDERR_FILENO), STDERR_FILENO);
  close(pipe[1]);
  setenv("POD_NAME", "token-0", 1);
  SetLogComponent("server");
  StartLogQueue();

  Log(LogLevel::kInfo, "started");
  FlushLog(milliseconds(10'000));
  std::string first(PIPE_BUF, '\0');
  first.resize(static_cast<std::size_t>(read(pipe[0], first.data(), first.size())));
  const auto json = nlohmann::json::parse(first);
  EXPECT_EQ(json["event"], "started");
  EXPECT_EQ(json["component"], "server");
  EXPECT_EQ(json["pod"], "token-0");
  EXPECT_TRUE(json["version"].is_string());
  EXPECT_EQ(DroppedLogLines(), 0u);

  const auto start = std::chrono::steady_clock::now();
  constexpr int kLines = 20'000;
  for (int i = 0; i < kLines; ++i) Log(LogLevel::kInfo, "listening", {{"items", i}});
  FlushLog(milliseconds(50));
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(5'000));
  EXPECT_GE(DroppedLogLines(), kLines - 8'192u - 100u);  // without the queue and the pipe
  EXPECT_LE(DroppedLogLines(), kLines - 8'192u);

  close(pipe[0]);
  FlushLog(milliseconds(10'000));
  EXPECT_EQ(dup2(terminal, STDERR_FILENO), STDERR_FILENO);
  const auto dropped = DroppedLogLines();
  Log(LogLevel::kInfo, "stopped");
  FlushLog(milliseconds(10'000));
  EXPECT_EQ(DroppedLogLines(), dropped);
}

}  // namespace
}  // namespace livekit::token
