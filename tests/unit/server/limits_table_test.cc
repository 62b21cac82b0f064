// Every way in stands in the table of limits, and the table says what holds.
#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "livekit/token/v1/token_service.pb.h"
#include "server/authority.h"
#include "service/limits.h"

namespace livekit::token {
namespace {

const LimitRow* Find(std::string_view surface, std::string_view name) {
  const auto table = LimitTable();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const auto& row) { return row.surface == surface && row.name == name; });
  return found == table.end() ? nullptr : &*found;
}

TEST(LimitTableTest, HasARowForEachRpcAndNoOther) {
  const auto* service = v1::MintAccessTokenRequest::descriptor()->file()->FindServiceByName("TokenService");
  ASSERT_NE(service, nullptr);
  for (int i = 0; i < service->method_count(); ++i) {
    EXPECT_NE(Find("gRPC", service->full_name() + "/" + service->method(i)->name()), nullptr)
        << service->method(i)->name();
  }
  int rows = 0;
  for (const LimitRow& row : LimitTable()) rows += int{row.name.substr(0, 17) == "livekit.token.v1."};
  EXPECT_EQ(rows, service->method_count());
  for (const char* other : {"grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch",
                            "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    EXPECT_NE(Find("gRPC", other), nullptr) << other;
  }
}

TEST(LimitTableTest, RowsAreUniqueAndScopesAreFieldsOfTheConfiguration) {
  const auto* fields = config::v1::RateLimits::descriptor();
  EXPECT_EQ(static_cast<std::size_t>(fields->field_count()), kLimitScopeNames.size());
  for (const auto name : kLimitScopeNames) EXPECT_NE(fields->FindFieldByName(std::string(name)), nullptr) << name;
  std::set<std::string> seen;
  std::set<std::string> used;
  for (const LimitRow& row : LimitTable()) {
    EXPECT_TRUE(seen.insert(std::string(row.surface) + " " + std::string(row.name)).second) << row.name;
    EXPECT_FALSE(row.time.empty()) << row.name;
    std::istringstream scopes{std::string(row.scopes)};
    for (std::string scope; scopes >> scope;) {
      used.insert(scope);
      EXPECT_NE(std::find(kLimitScopeNames.begin(), kLimitScopeNames.end(), scope), kLimitScopeNames.end()) << scope;
    }
  }
  EXPECT_EQ(used.size(), kLimitScopeNames.size());
}

TEST(LimitTableTest, BatchesHoldWhatTheAuthorityTakes) {
  for (const char* batch : {"BatchIssueParticipantTokens", "BatchMintAccessTokens"}) {
    const LimitRow* row = Find("gRPC", std::string("livekit.token.v1.TokenService/") + batch);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->items, TokenAuthority::kMaxBatchItems);
    EXPECT_LE(static_cast<std::size_t>(row->answer_bytes), TokenAuthority::kMaxMintBatchBytes);
  }
  EXPECT_EQ(static_cast<std::size_t>(
                Find("gRPC", "livekit.token.v1.TokenService/BatchIssueParticipantTokens")->request_bytes),
            TokenAuthority::kMaxIssueBatchBytes);
}

}  // namespace
}  // namespace livekit::token
