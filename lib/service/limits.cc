#include "service/limits.h"

namespace livekit::token {
namespace {

constexpr char kGrpc[] = "gRPC";
constexpr char kHttp[] = "HTTP";
constexpr char kAdmin[] = "admin";

constexpr char kDeadline[] = "the call's deadline";
constexpr char kItemDeadline[] = "the call's deadline, each item its `timeout`";
constexpr char kStream[] = "until the connection ends";
constexpr char kHttpTime[] = "header 5 s, request with answer 10 s, idle 60 s (`limits`)";

constexpr char kIssueScopes[] =
    "max_in_flight auth_failures_per_address per_principal per_address agents_per_principal per_service";
constexpr char kMintScopes[] = "max_in_flight auth_failures_per_address per_service agents_per_service";
constexpr char kServiceScopes[] = "max_in_flight auth_failures_per_address per_service";
// The rest is counted by the token server, for each item.
constexpr char kNone[] = "";

constexpr int kMessage = limits::kRequestMessageBytes;
constexpr int kAnswer = limits::kAnswerMessageBytes;
// Error bodies have at most 1 KiB, and so have URLs and names beside the token.
constexpr int kTokenAnswer = limits::kHttpTokenBytes + 4096;

constexpr LimitRow kTable[] = {
    {kGrpc, "livekit.token.v1.TokenService/IssueParticipantToken", kMessage, kAnswer, 0, kDeadline, kIssueScopes},
    {kGrpc, "livekit.token.v1.TokenService/BatchIssueParticipantTokens", limits::kIssueBatchBytes, kAnswer,
     limits::kBatchItems, kItemDeadline, kIssueScopes},
    {kGrpc, "livekit.token.v1.TokenService/MintAccessToken", kMessage, kAnswer, 0, kDeadline, kMintScopes},
    {kGrpc, "livekit.token.v1.TokenService/BatchMintAccessTokens", kMessage, kAnswer, limits::kBatchItems, kDeadline,
     kMintScopes},
    {kGrpc, "livekit.token.v1.TokenService/VerifyAccessToken", kMessage, kAnswer, 0, kDeadline, kServiceScopes},
    {kGrpc, "livekit.token.v1.TokenService/ExplainParticipantToken", kMessage, kAnswer, 0, kDeadline, kServiceScopes},
    {kGrpc, "grpc.health.v1.Health/Check", kMessage, kAnswer, 0, kDeadline, kNone},
    {kGrpc, "grpc.health.v1.Health/Watch", kMessage, kAnswer, 0, kStream, kNone},
    {kGrpc, "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kMessage, kAnswer, 0, kStream, kNone},
    {kHttp, "/getToken", limits::kHttpBodyBytes, kTokenAnswer, 0, kHttpTime, kIssueScopes},
    {kHttp, "/api/token", limits::kHttpBodyBytes, kTokenAnswer, 0, kHttpTime, kIssueScopes},
    {kHttp, "/api/v2/sandbox/connection-details", limits::kHttpBodyBytes, kTokenAnswer, 0, kHttpTime, kIssueScopes},
    {kHttp, "_OTHER", 0, 1 << 10, 0, kHttpTime, kNone},
    {kAdmin, "/livez", 0, 1 << 10, 0, kHttpTime, kNone},
    {kAdmin, "/readyz", 0, 1 << 12, 0, kHttpTime, kNone},
    {kAdmin, "/startupz", 0, 1 << 10, 0, kHttpTime, kNone},
    {kAdmin, "/metrics", 0, 0, 0, kHttpTime, kNone},
    {kAdmin, "/debug/keys", 0, 0, 0, kHttpTime, kNone},
    {kAdmin, "_OTHER", 0, 1 << 10, 0, kHttpTime, kNone},
};

}  // namespace

std::span<const LimitRow> LimitTable() { return kTable; }

}  // namespace livekit::token
