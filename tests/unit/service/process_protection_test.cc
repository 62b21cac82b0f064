#include "service/process_protection.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "http/published_file.h"
#include "service/metrics.h"
#include "service/stack_dump.h"

namespace livekit::token {
namespace {

constexpr int kNobody = 65532;

// Runs `body` in a child without any right of root and returns its exit status; 255 if it cannot give them up.
int RunAsNobody(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    if (getuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) _exit(255);
    // What changing the user does depends on fs.suid_dumpable.
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    _exit(body());
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

// Whether another process of the same user can read the environment of this one.
bool OthersReadEnvironment() {
  const std::string path = "/proc/" + std::to_string(getpid()) + "/environ";
  const pid_t other = fork();
  if (other == 0) {
    char byte = 0;
    const int fd = open(path.c_str(), O_RDONLY);
    _exit(fd >= 0 && read(fd, &byte, 1) >= 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(other, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(ProcessProtection, KeepsOthersOut) {
  EXPECT_EQ(RunAsNobody([] {
              if (!OthersReadEnvironment()) return 1;  // the control
              if (!ProtectProcess(false).ok()) return 2;
              if (OthersReadEnvironment()) return 3;
              rlimit limit{1, 1};
              getrlimit(RLIMIT_CORE, &limit);
              if (limit.rlim_cur != 0 || limit.rlim_max != 0) return 4;
              return prctl(PR_GET_DUMPABLE) == 0 ? 0 : 5;
            }),
            0);
}

TEST(ProcessProtection, CanBeLeftOutForDebugging) {
  EXPECT_EQ(RunAsNobody([] {
              rlimit before{};
              getrlimit(RLIMIT_CORE, &before);
              if (!ProtectProcess(true).ok() || !OthersReadEnvironment()) return 1;
              rlimit after{};
              getrlimit(RLIMIT_CORE, &after);
              return before.rlim_cur == after.rlim_cur && prctl(PR_GET_DUMPABLE) == 1 ? 0 : 2;
            }),
            0);
}

// The kernel gives the files of such a process in /proc to root.
TEST(ProcessProtection, LeavesTheProcessItsOwnProc) {
  EXPECT_EQ(RunAsNobody([] {
              if (!ProtectProcess(false).ok()) return 1;
              // As gRPC opens certificates.
              const auto file = http::PublishedFile::Create("content");
              if (!file.ok()) return 2;
              std::string text;
              std::getline(std::ifstream((*file)->path()), text);
              if (text != "content") return 3;
              const std::string metrics = Metrics().Serialize();
              for (const char* name : {"\nprocess_open_fds ", "\nprocess_resident_memory_bytes "}) {
                const std::size_t at = metrics.find(name);
                if (at == metrics.npos || std::stod(metrics.substr(at + std::strlen(name))) <= 0) return 4;
              }
              std::FILE* const dump = std::tmpfile();
              if (dump == nullptr) return 5;
              DumpStacks(fileno(dump));
              char line[256] = "";
              std::rewind(dump);
              if (std::fgets(line, sizeof line, dump) == nullptr) return 6;
              return std::string(line).find(" process_protec") != std::string::npos ||
                             std::string(line).find(" service_test") != std::string::npos
                         ? 0
                         : 7;
            }),
            0);
}

}  // namespace
}  // namespace livekit::token
