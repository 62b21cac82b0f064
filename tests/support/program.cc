#include "support/program.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "support/leaks.h"

namespace livekit::token::testing {
namespace {

constexpr std::chrono::seconds kPatience{60};

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What a GET on a port of this machine is answered with; as much of it as comes within a second.
std::string Get(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    std::array<char, 16384> part;
    ssize_t count = 0;
    while ((count = recv(fd, part.data(), part.size(), 0)) > 0) answer.append(part.data(), count);
  }
  close(fd);
  return answer;
}

// The address of a listener, as the log has it; empty if it does not.
std::string AddressIn(const std::string& log, const std::string& listener) {
  std::stringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.value("event", "") == "listening" && json.value("name", "") == listener) {
      return json.value("address", "");
    }
  }
  return {};
}

int PortOf(const std::string& address) {
  return address.empty() ? 0 : std::stoi(address.substr(address.rfind(':') + 1));
}

}  // namespace

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "lktXXXXXX").string();
  path_ = mkdtemp(pattern.data());
}

TempFolder::~TempFolder() { std::filesystem::remove_all(path_); }

std::string TempFolder::Write(const std::string& name, std::string_view text) const {
  const std::string path = path_ + "/" + name;
  std::ofstream(path) << text;
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return path;
}

Program::Program(const std::string& name, std::vector<std::string> args, std::map<std::string, std::string> environment,
                 const std::string& standard_input, int standard_error)
    : args_(args), environment_(environment), secrets_(SecretsGivenTo(args_, environment_)) {
  const std::string path = BIN_DIR "/" + name;
  const std::string out = folder_.Write("out", "");
  const std::string in = folder_.Write("in", standard_input);
  args.insert(args.begin(), path);
  std::vector<char*> argv;
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  // What sanitizers need to know reaches the program too.
  for (const char* variable : {"PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = getenv(variable); value != nullptr) environment.emplace(variable, value);
  }
  std::vector<std::string> variables;
  for (const auto& [key, value] : environment) variables.push_back(key + "=" + value);
  std::vector<char*> envp;
  for (auto& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  const int out_fd = open(out.c_str(), O_WRONLY | O_APPEND);
  dup2(open(in.c_str(), O_RDONLY), STDIN_FILENO);
  dup2(out_fd, STDOUT_FILENO);
  dup2(standard_error < 0 ? out_fd : standard_error, STDERR_FILENO);
  execve(path.c_str(), argv.data(), envp.data());
  _exit(127);
}

Program::~Program() {
  if (pid_ > 0) {
    Signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  LookForLeaks();
}

bool Program::AwaitOutput(const std::string& text) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (Output().find(text) == std::string::npos) {
    if (!Running() || std::chrono::steady_clock::now() >= end) return Output().find(text) != std::string::npos;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

std::string Program::AwaitAddress(const std::string& listener) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    const bool running = Running();
    const std::string address = AddressIn(Output(), listener);
    if (!address.empty() || !running) return address;
    // Only polls for a line of another process; nothing depends on how long this takes.
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return {};
}

int Program::AwaitPort(const std::string& listener) { return PortOf(AwaitAddress(listener)); }

void Program::Signal(int signal) {
  if (seen_.empty() && (signal == SIGTERM || signal == SIGINT || signal == SIGKILL)) seen_ = SeenFromOutside();
  kill(pid_, signal);
}

std::string Program::SeenFromOutside() {
  const int admin = PortOf(AddressIn(Output(), "admin"));
  if (admin == 0 || !Running()) return {};
  const std::string proc = "/proc/" + std::to_string(pid_) + "/";
  return ReadAll(proc + "environ") + "\n" + ReadAll(proc + "cmdline") + "\n" + Get(admin, "/metrics");
}

int Program::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = 0;
  LookForLeaks();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool Program::Running() {
  siginfo_t info{};
  // Leaves the status for Wait.
  return pid_ > 0 && waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

void Program::LookForLeaks() {
  if (std::exchange(looked_, true)) return;
  // Files may have been replaced in the meantime.
  secrets_.merge(SecretsGivenTo(args_, environment_));
  for (const std::string& leak : FindLeaks(Output(), secrets_)) ADD_FAILURE() << "the program has printed " << leak;
  for (const std::string& leak : FindLeaks(seen_, secrets_)) ADD_FAILURE() << "the program has shown " << leak;
  for (const std::string& path : AuditFilesOf(args_)) {
    if (std::error_code error; !std::filesystem::is_regular_file(path, error)) continue;
    for (const std::string& leak : FindLeaks(ReadAll(path), secrets_)) ADD_FAILURE() << path << " has " << leak;
  }
}

std::string Program::Output() const { return ReadAll(folder_.path() + "/out"); }

Finished RunProgram(const std::string& name, std::vector<std::string> args,
                    std::map<std::string, std::string> environment, const std::string& standard_input) {
  Program program(name, std::move(args), std::move(environment), standard_input);
  const int status = program.Wait();
  return {status, program.Output()};
}

}  // namespace livekit::token::testing
