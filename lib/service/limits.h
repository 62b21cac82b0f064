// Every limit of every way in, in one table.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace livekit::token {

// What may run out; named as the fields of config.v1.RateLimits.
enum class LimitScope : std::uint8_t {
  kPerPrincipal,
  kPerAddress,
  kPerService,
  kAuthFailuresPerAddress,
  kAgentsPerPrincipal,
  kAgentsPerService,
  kMaxInFlight,
};

struct LimitScopeInfo {
  std::string_view name;       // in the configuration, and as a label of metrics
  std::string_view otherwise;  // what holds without configuration
  std::string_view meaning;
};
// In the order of LimitScope.
inline constexpr std::array<LimitScopeInfo, 7> kLimitScopes = {{
    {"per_principal", "50/s", "tokens for each end user who is authenticated or asserted"},
    {"per_address", "200/s", "requests of callers who need no credential, for each address, of IPv6 for each /64"},
    {"per_service", "10000/s", "calls of each service, items of a batch counted singly"},
    {"auth_failures_per_address", "20/s", "credentials that are refused, for each address; good ones are not affected"},
    {"agents_per_principal", "60/m",
     "agents that the tokens of one end user dispatch, or of one address where no credential is needed"},
    {"agents_per_service", "100/s", "agents that the tokens minted by one service dispatch"},
    {"max_in_flight", "10000", "requests in progress, items of a batch counted singly; beyond, `UNAVAILABLE`"},
}};

constexpr std::string_view LimitScopeName(LimitScope scope) {
  return kLimitScopes[static_cast<std::size_t>(scope)].name;
}

// Scopes of requests, and of tokens that dispatch agents.
inline constexpr std::size_t kRateScopes = 6;

// What the code takes its constants from. Of the gateway's, the defaults.
namespace limits {

inline constexpr int kRequestMessageBytes = 4 << 20;
inline constexpr int kAnswerMessageBytes = 16 << 20;  // what a batch of 1000 tokens needs
inline constexpr int kIssueBatchBytes = 1 << 20;
inline constexpr int kBatchItems = 1000;
inline constexpr int kMetadataBytes = 16 << 10;
inline constexpr int kHttpBodyBytes = 64 << 10;
inline constexpr int kHttpTokenBytes = 8 << 10;
inline constexpr int kHttpHeaderBytes = 16 << 10;
inline constexpr int kHttpHeaderLines = 100;
inline constexpr int kHttpHeaderSeconds = 5;
inline constexpr int kHttpRequestSeconds = 10;
inline constexpr int kHttpIdleSeconds = 60;
inline constexpr int kHttpConnections = 10'000;
inline constexpr int kHttpPendingRequests = 4096;
inline constexpr int kInFlight = 10'000;
inline constexpr int kMostInFlight = 1'000'000;

}  // namespace limits

// One way in. Numbers are what the program does without configuration.
struct LimitRow {
  std::string_view surface;  // gRPC, HTTP or admin
  std::string_view name;     // full name of an RPC, or a path; `_OTHER` for all others
  int request_bytes;         // of the message or the body
  int answer_bytes;          // of the message or the body; 0: as large as what it tells
  int items;                 // of a batch; 0: is none
  std::string_view time;     // how long it may take, in words
  std::string_view scopes;   // what may run out, names of kLimitScopes separated by spaces
};

// Every RPC and every route.
std::span<const LimitRow> LimitTable();

}  // namespace livekit::token
