#include "service/sd_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using std::chrono::microseconds;

// A supervisor's socket; `name` as in NOTIFY_SOCKET.
class Supervisor {
 public:
  explicit Supervisor(std::string name) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (name[0] == '@') name[0] = '\0';
    std::memcpy(address.sun_path, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0);
  }
  ~Supervisor() { close(fd_); }

  // The next message; empty if there is none.
  std::string Receive() {
    char text[256];
    const ssize_t size = recv(fd_, text, sizeof text, MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text, static_cast<std::size_t>(size));
  }

 private:
  const int fd_;
};

class SystemdNotifierTest : public ::testing::Test {
 protected:
  SystemdNotifierTest() {
    char pattern[] = "/tmp/lktXXXXXX";
    folder_ = mkdtemp(pattern);
  }
  ~SystemdNotifierTest() override {
    unlink((folder_ + "/socket").c_str());
    rmdir(folder_.c_str());
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }

  std::string folder_;
};

TEST_F(SystemdNotifierTest, SendsToAPathAndToAnAbstractName) {
  for (const std::string& name : {folder_ + "/socket", "@" + folder_}) {
    Supervisor supervisor(name);
    const SystemdNotifier notifier;
    notifier.Ready();
    EXPECT_EQ(supervisor.Receive(), "READY=1") << name;
    notifier.Stopping();
    EXPECT_EQ(supervisor.Receive(), "STOPPING=1");
    notifier.Watchdog();
    EXPECT_EQ(supervisor.Receive(), "WATCHDOG=1");
    notifier.Reloading();
    EXPECT_THAT(supervisor.Receive(), ::testing::MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*"));
    EXPECT_EQ(supervisor.Receive(), "");
  }
}

TEST_F(SystemdNotifierTest, LeavesNothingToChildren) {
  Supervisor supervisor("@" + folder_);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  const SystemdNotifier notifier;
  EXPECT_EQ(notifier.watchdog_timeout(), microseconds(3000000));
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) EXPECT_EQ(getenv(name), nullptr) << name;
  const SystemdNotifier child;
  child.Ready();
  EXPECT_EQ(supervisor.Receive(), "");
  EXPECT_EQ(child.watchdog_timeout(), std::nullopt);
}

TEST_F(SystemdNotifierTest, HeedsOnlyAWatchdogOfItsOwn) {
  const auto timeout = [this](const char* usec, const std::string& pid) {
    setenv("NOTIFY_SOCKET", ("@" + folder_).c_str(), 1);
    setenv("WATCHDOG_USEC", usec, 1);
    if (!pid.empty()) setenv("WATCHDOG_PID", pid.c_str(), 1);
    return SystemdNotifier().watchdog_timeout();
  };
  EXPECT_EQ(timeout("500", ""), microseconds(500));
  EXPECT_EQ(timeout("500", std::to_string(getppid())), std::nullopt);
  for (const char* usec : {"", "0", "-5", "5s", "99999999999999999999"}) {
    EXPECT_EQ(timeout(usec, ""), std::nullopt) << usec;
  }
}

TEST_F(SystemdNotifierTest, IsSilentWithoutASupervisorThatItKnows) {
  for (const std::string& name :
       {std::string("vsock:2:1"), std::string("relative"), std::string("/none/there"), "/" + std::string(200, 'a')}) {
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
    SystemdNotifier().Ready();
  }
}

}  // namespace
}  // namespace livekit::token
