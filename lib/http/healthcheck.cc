#include "http/healthcheck.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdio>
#include <memory>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/status.h"
#include "base/text.h"
#include "http/socket.h"
#include "service/config.h"
#include "service/yaml_tree.h"

namespace livekit::token::http {
namespace {

constexpr std::string_view kDefaultAddress = "localhost:9464";  // is reached by it whether [::] or localhost listens
constexpr std::chrono::milliseconds kTimeout{2000};

const YamlNode* Member(const YamlNode* map, std::string_view key) {
  if (map == nullptr) return nullptr;
  for (const YamlMember& member : map->members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

// The hosts at which a listener of `host` is found, the first that answers counts.
std::vector<std::string> ReachableHosts(const std::string& host) {
  const bool is_any = host.empty() || ClassifyHost(host) == HostKind::kAny;
  // Not by name: a container need not have a file of hosts.
  if (is_any || host == "localhost") return {"127.0.0.1", "::1"};
  return {host};
}

// A connection, or none.
Fd Connect(const HostPort& address, std::chrono::milliseconds timeout) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) != 0) return Fd();
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, freeaddrinfo);
  const timeval limit{timeout.count() / 1000, timeout.count() % 1000 * 1000};
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Fd fd(socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) continue;
    // The one for sending limits connect too, see socket(7).
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd.get(), entry->ai_addr, entry->ai_addrlen) == 0) return fd;
  }
  return Fd();
}

// The status of the answer to a GET; 0 if none comes.
int StatusOf(int fd, const std::string& path) {
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) return 0;
  std::string line(12, '\0');
  if (recv(fd, line.data(), line.size(), MSG_WAITALL) != static_cast<ssize_t>(line.size())) return 0;
  if (line.compare(0, 9, "HTTP/1.1 ") != 0 || line.find_first_not_of("0123456789", 9) != line.npos) return 0;
  return std::stoi(line.substr(9));
}

}  // namespace

absl::StatusOr<std::string> AdminAddress(const std::string& admin_listen, const std::string& config_file) {
  std::string address = admin_listen;
  if (address.empty() && !config_file.empty()) {
    LKT_ASSIGN_OR_RETURN(const std::string text, ReadFile(config_file));
    const YamlDocument document = ParseYaml(text);
    if (!document.problem.empty()) return absl::InvalidArgumentError(Sv(config_file + ": " + document.problem));
    const YamlNode* const node = Member(Member(&document.root, "listen"), "admin");
    if (node != nullptr) address = node->scalar;
  }
  if (address.empty()) address = kDefaultAddress;
  LKT_ASSIGN_OR_RETURN(const HostPort parsed, ParseHostPort(address));
  if (parsed.port == 0) return absl::InvalidArgumentError("the admin address has port 0: nobody knows the chosen one");
  return address;
}

absl::Status AskHealth(const std::string& admin_address, std::chrono::milliseconds timeout) {
  LKT_ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(admin_address));
  for (const std::string path : {"/livez", "/readyz"}) {
    Fd fd;
    for (const std::string& host : ReachableHosts(address.host)) {
      if (!fd.valid()) fd = Connect({host, address.port}, timeout);
    }
    if (!fd.valid()) return absl::UnavailableError(Sv("nothing listens at " + address.ToString()));
    const int status = StatusOf(fd.get(), path);
    if (status == 0) return absl::UnavailableError(Sv("no answer to " + path + " from " + address.ToString()));
    if (status != 200) return absl::UnavailableError(Sv(path + " answered " + std::to_string(status)));
  }
  return absl::OkStatus();
}

ExitCode RunHealthcheck(const std::string& admin_listen, const std::string& config_file) {
  const auto address = AdminAddress(admin_listen, config_file);
  const absl::Status status = address.ok() ? AskHealth(*address, kTimeout) : address.status();
  if (status.ok()) {
    std::puts("healthy");
    return kExitClean;
  }
  std::fprintf(stderr, "unhealthy: %s\n", HideSecrets(std::string(status.message())).c_str());
  return kExitFailure;
}

}  // namespace livekit::token::http
