// What a token costs over gRPC, client included: prints the table of `./dev bench grpc`. Usage: grpc_bench [--quick]
//
// Every row runs once in every round, so that a change of the machine's speed meets all of them. Tokens of every run
// are verified. Exit status 1 if a call failed or a token is not good.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/closed_loop.h"
#include "bench/token_server.h"
#include "livekit/token/v1/token_service.grpc.pb.h"

namespace livekit::token::bench {
namespace {

using Stub = v1::TokenService::Stub;
using Async = Stub::async_interface;
using std::chrono::milliseconds;

constexpr int kVerifiedPerResponse = 5;

v1::MintAccessTokenRequest MintRequest(int i) {
  v1::MintAccessTokenRequest request;
  auto& grants = *request.mutable_grants();
  grants.set_identity("user-" + std::to_string(4711 + i));
  grants.set_name("Alice Example");
  grants.mutable_video()->set_room_join(true);
  grants.mutable_video()->set_room("team-standup");
  return request;
}

v1::BatchMintAccessTokensRequest BatchMintRequest(int size) {
  v1::BatchMintAccessTokensRequest request;
  for (int i = 0; i < size; ++i) *request.add_requests() = MintRequest(i);
  return request;
}

v1::BatchIssueParticipantTokensRequest BatchIssueRequest(int size) {
  v1::BatchIssueParticipantTokensRequest request;
  for (int i = 0; i < size; ++i) {
    auto& item = *request.add_items();
    item.mutable_request()->set_room_name("team-" + std::to_string(i));
    item.add_credentials()->set_header("x-api-key");
    item.mutable_credentials(0)->set_value(UserKey());
    item.set_host("token.example");
    item.set_client_address("192.0.2.1");
    item.set_request_id("0b0e7f0a-5d0c-4d0b-9a63-8a3c4f1f7f10");
    item.mutable_timeout()->set_seconds(9);
    item.set_max_token_bytes(8192);
  }
  return request;
}

bool IsGood(const std::string& token, std::string_view identity, std::string_view room) {
  const Verdict verdict = Verifier().VerifyJoin(token, std::chrono::system_clock::now());
  return verdict.ok() && verdict.token->grants().identity() == identity &&
         verdict.token->grants().video().room() == room;
}

// Whether the response answers the request; looks at some of its tokens.
bool Check(const v1::MintAccessTokenRequest& request, const v1::MintAccessTokenResponse& response) {
  return IsGood(response.token(), request.grants().identity(), request.grants().video().room());
}

template <typename CheckOne>
bool CheckSome(int size, int answers, CheckOne check) {
  if (size != answers) return false;
  for (int n = 0; n < kVerifiedPerResponse; ++n) {
    if (!check(n * (size - 1) / (kVerifiedPerResponse - 1))) return false;
  }
  return true;
}

bool Check(const v1::BatchMintAccessTokensRequest& request, const v1::BatchMintAccessTokensResponse& response) {
  return CheckSome(request.requests_size(), response.tokens_size(),
                   [&](int i) { return Check(request.requests(i), response.tokens(i)); });
}

bool Check(const v1::BatchIssueParticipantTokensRequest& request,
           const v1::BatchIssueParticipantTokensResponse& response) {
  return CheckSome(request.items_size(), response.results_size(), [&](int i) {
    return IsGood(response.results(i).token().participant_token(), "user", request.items(i).request().room_name());
  });
}

// What one run came to.
struct Sample {
  double tokens_per_second;
  double p50_us;
  double p99_us;
  double client_us;  // CPU per token
  double server_us;
};

// One row of the table.
struct Row {
  std::string what;
  int in_flight;
  int tokens_per_call;
  double reach = 0;  // tokens/s; 0: none
  const TokenServer* server;
  std::function<LoadResult(int in_flight, milliseconds duration, bool& good)> run;
  std::vector<Sample> samples;
};

// A row that calls `method` over a channel of its own server.
template <typename Request, typename Response>
Row MakeRow(std::string what, int in_flight, const TokenServer& server, std::shared_ptr<Stub> stub,
            void (Async::*method)(grpc::ClientContext*, const Request*, Response*, std::function<void(grpc::Status)>),
            Request request, int tokens_per_call, double reach = 0) {
  Row row{std::move(what), in_flight, tokens_per_call, reach, &server, nullptr, {}};
  row.run = [stub = std::move(stub), method, request = std::move(request)](int calls, milliseconds duration,
                                                                           bool& good) {
    ClosedLoop<Request, Response> loop(*stub->async(), method, request, CallerCredential());
    LoadResult result = loop.Run(calls, duration);
    good = true;
    for (const Response* response : loop.responses()) good = good && Check(request, *response);
    return result;
  };
  return row;
}

std::vector<Row> MakeRows(const TokenServer& tcp, const TokenServer& socket) {
  const std::shared_ptr<Stub> over_tcp = v1::TokenService::NewStub(tcp.channel());
  const std::shared_ptr<Stub> over_socket = v1::TokenService::NewStub(socket.channel());
  std::vector<Row> rows;
  for (const int in_flight : {1, 16, 64}) {
    rows.push_back(MakeRow("MintAccessToken", in_flight, tcp, over_tcp, &Async::MintAccessToken, MintRequest(0), 1));
  }
  rows.push_back(
      MakeRow("MintAccessToken, unix socket", 64, socket, over_socket, &Async::MintAccessToken, MintRequest(0), 1));
  for (const int size : {100, 1000}) {
    for (const int in_flight : {1, 2, 4}) {
      rows.push_back(MakeRow("BatchMintAccessTokens of " + std::to_string(size), in_flight, tcp, over_tcp,
                             &Async::BatchMintAccessTokens, BatchMintRequest(size), size,
                             size == 1000 && in_flight == 2 ? 400'000 : 0));
    }
  }
  rows.push_back(MakeRow("BatchMintAccessTokens of 1000, unix socket", 2, socket, over_socket,
                         &Async::BatchMintAccessTokens, BatchMintRequest(1000), 1000));
  for (const int in_flight : {1, 2, 4}) {
    rows.push_back(MakeRow("BatchIssueParticipantTokens of 100", in_flight, tcp, over_tcp,
                           &Async::BatchIssueParticipantTokens, BatchIssueRequest(100), 100));
  }
  return rows;
}

// False, with a line on standard error, if the run is not to be believed.
bool RunOnce(Row& row, milliseconds duration) {
  const double client = OwnCpuSeconds();
  const double server = row.server->CpuSeconds();
  bool good = false;
  const LoadResult result = row.run(row.in_flight, duration, good);
  const double tokens = static_cast<double>(result.calls) * row.tokens_per_call;
  if (result.failed > 0 || !good) {
    std::fprintf(stderr, "grpc_bench: %s, %d in flight: %llu of %llu calls failed (%s)%s\n", row.what.c_str(),
                 row.in_flight, static_cast<unsigned long long>(result.failed),
                 static_cast<unsigned long long>(result.calls), result.first_failure.c_str(),
                 good ? "" : ", and tokens are not good");
    return false;
  }
  row.samples.push_back({tokens / result.seconds, result.Percentile(0.5), result.Percentile(0.99),
                         (OwnCpuSeconds() - client) * 1e6 / tokens,
                         (row.server->CpuSeconds() - server) * 1e6 / tokens});
  return true;
}

double Median(const std::vector<Sample>& samples, double Sample::*member) {
  std::vector<double> values;
  for (const auto& sample : samples) values.push_back(sample.*member);
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void PrintTable(const std::vector<Row>& rows, int rounds, milliseconds duration) {
  std::printf("Median of %d rounds of %.1f s each (least and most), client and server on the same machine.\n\n", rounds,
              std::chrono::duration<double>(duration).count());
  std::printf("| call | in flight | tokens/s | p50 (ms) | p99 (ms) | CPU client + server (us/token) | reach |\n");
  std::printf("|---|---:|---:|---:|---:|---:|---|\n");
  for (const auto& row : rows) {
    const auto by_rate = [](const Sample& a, const Sample& b) { return a.tokens_per_second < b.tokens_per_second; };
    const auto [least, most] = std::minmax_element(row.samples.begin(), row.samples.end(), by_rate);
    const double rate = Median(row.samples, &Sample::tokens_per_second);
    const double client = Median(row.samples, &Sample::client_us);
    const double server = Median(row.samples, &Sample::server_us);
    std::string reach;
    if (row.reach > 0) {
      reach = "at least " + std::to_string(static_cast<int>(row.reach)) + (rate >= row.reach ? ": yes" : ": NO");
    }
    std::printf("| %s | %d | %.0f (%.0f-%.0f) | %.2f | %.2f | %.2f + %.2f = %.2f | %s |\n", row.what.c_str(),
                row.in_flight, rate, least->tokens_per_second, most->tokens_per_second,
                Median(row.samples, &Sample::p50_us) / 1000, Median(row.samples, &Sample::p99_us) / 1000, client,
                server, client + server, reach.c_str());
  }
  std::printf(
      "\nThe service has no streaming method: 64 calls in flight on one connection are its bidirectional load.\n");
}

int Main(int argc, char** argv) {
  const bool quick = argc == 2 && std::strcmp(argv[1], "--quick") == 0;
  if (argc > 1 && !quick) {
    std::fprintf(stderr, "usage: grpc_bench [--quick]\n");
    return 1;
  }
  const int rounds = quick ? 1 : 7;
  const milliseconds duration{quick ? 100 : 700};
  const TokenServer tcp(/*unix_socket=*/false);
  const TokenServer socket(/*unix_socket=*/true);
  std::vector<Row> rows = MakeRows(tcp, socket);
  // Warms up.
  for (auto& row : rows) {
    if (!RunOnce(row, duration / 4)) return 1;
    row.samples.clear();
  }
  for (int round = 0; round < rounds; ++round) {
    for (auto& row : rows) {
      if (!RunOnce(row, duration)) return 1;
    }
  }
  PrintTable(rows, rounds, duration);
  return 0;
}

}  // namespace
}  // namespace livekit::token::bench

int main(int argc, char** argv) { return livekit::token::bench::Main(argc, argv); }
