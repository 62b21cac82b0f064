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
inline constexpr std::array<std::string_view, 7> kLimitScopeNames = {
    "per_principal",        "per_address",        "per_service",  "auth_failures_per_address",
    "agents_per_principal", "agents_per_service", "max_in_flight"};

// Its name in the configuration and as a label of metrics.
constexpr std::string_view LimitScopeName(LimitScope scope) {
  return kLimitScopeNames[static_cast<std::size_t>(scope)];
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
  std::string_view scopes;   // what may run out, names of kLimitScopeNames separated by spaces
};

// Every RPC and every route.
std::span<const LimitRow> LimitTable();

}  // namespace livekit::token
