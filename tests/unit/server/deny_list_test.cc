#include "server/deny_list.h"

#include <string>

#include "builder_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using testing::IsFieldRefusal;
using testing::IsRefusal;
using testing::kServerYaml;

v1::Grants GrantsOf(const std::string& identity, const std::string& room, const std::string& destination = "") {
  v1::Grants grants;
  grants.set_identity(identity);
  grants.mutable_video()->set_room(room);
  grants.mutable_video()->set_destination_room(destination);
  return grants;
}

const Time kNow = Time(std::chrono::seconds(1'900'000'000));

bool Blocks(const DenyRule& rule, const v1::Grants& grants, const std::string& project = "main", Time now = kNow) {
  return DenyList({{"never", "never", "", std::nullopt}, rule}).Blocks(project, grants, now);
}

TEST(DenyList, BlocksIdentitiesAndRooms) {
  EXPECT_FALSE(DenyList().Blocks("main", GrantsOf("mallory", "r"), kNow));
  const DenyRule person{"mal*", "*", "", std::nullopt};
  EXPECT_TRUE(Blocks(person, GrantsOf("mallory", "r")));
  EXPECT_TRUE(Blocks(person, GrantsOf("mallory", "")));
  EXPECT_FALSE(Blocks(person, GrantsOf("alice", "r")));
  EXPECT_FALSE(Blocks(person, GrantsOf("", "r")));
  const DenyRule room{"*", "closed-*", "", std::nullopt};
  EXPECT_TRUE(Blocks(room, GrantsOf("alice", "closed-1")));
  EXPECT_TRUE(Blocks(room, GrantsOf("alice", "open", "closed-1")));
  EXPECT_FALSE(Blocks(room, GrantsOf("alice", "open", "open2")));
  EXPECT_FALSE(Blocks(room, GrantsOf("", "closed-1")));  // no participant: it may even delete the room
  const DenyRule both{"mallory", "r", "", std::nullopt};
  EXPECT_TRUE(Blocks(both, GrantsOf("mallory", "r")));
  EXPECT_FALSE(Blocks(both, GrantsOf("mallory", "s")));
  EXPECT_FALSE(Blocks(both, GrantsOf("alice", "r")));
  EXPECT_FALSE(Blocks({"*", "r*", "", std::nullopt}, GrantsOf("alice", "s", "")));
}

TEST(DenyList, BlocksForAProjectAndAWhile) {
  EXPECT_TRUE(Blocks({"a", "*", "main", std::nullopt}, GrantsOf("a", "r")));
  EXPECT_FALSE(Blocks({"a", "*", "other", std::nullopt}, GrantsOf("a", "r")));
  const DenyRule until{"a", "*", "", kNow};
  EXPECT_TRUE(Blocks(until, GrantsOf("a", "r"), "main", kNow - std::chrono::seconds(1)));
  EXPECT_FALSE(Blocks(until, GrantsOf("a", "r"), "main", kNow));
}

class DenyFile : public testing::BuildAuthority {
 protected:
  std::string With(const std::string& file) {
    dir_.Write("deny.yaml", file);
    return Parts().Yaml() + "deny_list: { file: $DIR/deny.yaml }\n";
  }
};

TEST_F(DenyFile, IsChecked) {
  const std::pair<const char*, const char*> cases[] = {
      {"blocked: [{ project: main }]", "blocked[0]: says not whom"},
      {"blocked: [{ identity: a }, { identity: \"a|b\" }]", "blocked[1].identity: is a literal name"},
      {"blocked: [{ room: \"a[b]\" }]", "blocked[0].room: is a literal name"},
      {"blocked: [{ identity: a, project: none }]", "blocked[0].project: is not the name of a project"},
      {"blocked: [{ identity: a, until: tomorrow }]", "blocked[0].until: must be a time"},
      {"blocked: [{ identiy: a, room: b }]", "blocked[0].identiy: "},
      {"other: []", "other: "},
  };
  for (const auto& [file, fragment] : cases) ExpectProblem(With(file), "deny_list.file", fragment);
  ExpectProblem(Parts().Yaml() + "deny_list: { file: $DIR/nothing.yaml }\n", "deny_list.file", "cannot be read");
  ExpectProblem(Parts().Yaml() + "deny_list: {}\n", "deny_list.file", "is required");
  EXPECT_EQ(FormatProblems("f", BuildFrom(With("blocked: [{ identity: a*, room: b, project: main, "
                                               "until: 2030-01-01T00:00:00Z }]"))
                                    .problems),
            "");
}

TEST_F(DenyFile, HoldsForTokensOfEveryWay) {
  dir_.Write("deny.yaml",
             "blocked:\n  - { identity: web, project: main }\n  - { room: closed }\n"
             "  - { identity: late, until: 2030-03-17T17:46:41Z }\n");
  state_ = Build(std::string(kServerYaml) + "deny_list: { file: $DIR/deny.yaml }\n");
  authority_ = std::make_unique<TokenAuthority>(state_, clock_, metrics_);
  EXPECT_THAT(Issue(AsPartner("web"), {}), IsRefusal(v1::PARTICIPANT_BLOCKED));
  EXPECT_OK(Issue(AsPartner("app"), {}));
  EXPECT_THAT(Issue(As(""), InRoom("closed")), IsRefusal(v1::PARTICIPANT_BLOCKED));
  EXPECT_OK(Issue(As(""), InRoom("open")));
  const auto blocked = IsFieldRefusal(v1::PARTICIPANT_BLOCKED, std::string("grants.identity"));
  EXPECT_THAT(Mint(AsCaller("root"), Join("web", "r", "main")), blocked);
  EXPECT_OK(Mint(AsCaller("root"), Join("web", "r", "other")));
  EXPECT_THAT(Mint(AsCaller("root"), Join("alice", "closed", "main")), blocked);
  v1::BatchMintAccessTokensRequest batch;
  *batch.add_requests() = Join("alice", "r", "main");
  *batch.add_requests() = Join("web", "r", "main");
  EXPECT_THAT(BatchMint(AsCaller("root"), batch),
              IsFieldRefusal(v1::PARTICIPANT_BLOCKED, std::string("requests[1].grants.identity")));
  EXPECT_THAT(Mint(AsCaller("root"), Join("late", "r", "main")), blocked);
  clock_.now += std::chrono::seconds(1);
  EXPECT_OK(Mint(AsCaller("root"), Join("late", "r", "main")));
}

// The policy's own limit holds beside that of the way in; the smaller decides.
TEST_F(DenyFile, TokensKeepToThePolicysOwnSize) {
  const auto issue = [&](int own, int of_the_way) {
    std::string yaml = kServerYaml;
    const std::string place = "    ttl: 5m\n";
    yaml.insert(yaml.find(place), "    max_token_bytes: " + std::to_string(own) + "\n");
    authority_ = std::make_unique<TokenAuthority>(Build(yaml), clock_, metrics_);
    TokenAuthority::RelayedItem item;
    auto& credential = *item.add_credentials();
    credential.set_header("x-api-key");
    credential.set_value(testing::KeyOf("web"));
    item.set_max_token_bytes(of_the_way);
    item.mutable_request()->set_participant_metadata(std::string(300, 'x'));
    v1::ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;
    authority_->IssueRelayed(item, [&](TokenAuthority::RelayedResult result) { reason = result.error().reason(); });
    return reason;
  };
  EXPECT_EQ(issue(0, 0), v1::ERROR_REASON_UNSPECIFIED);
  EXPECT_EQ(issue(2000, 2000), v1::ERROR_REASON_UNSPECIFIED);
  EXPECT_EQ(issue(2000, 0), v1::ERROR_REASON_UNSPECIFIED);
  EXPECT_EQ(issue(500, 0), v1::TOKEN_TOO_LARGE);
  EXPECT_EQ(issue(500, 2000), v1::TOKEN_TOO_LARGE);
  EXPECT_EQ(issue(2000, 500), v1::TOKEN_TOO_LARGE);
  EXPECT_EQ(issue(0, 500), v1::TOKEN_TOO_LARGE);
}

// The sandbox id of a relayed request reaches the policies.
TEST_F(DenyFile, SandboxIdsNarrow) {
  std::string yaml = kServerYaml;
  const std::string place = "  - name: guest\n    match: { authenticator: guests }";
  yaml.replace(yaml.find(place), place.size(),
               "  - name: guest\n    match: { authenticator: guests, sandbox_id: [box] }");
  authority_ = std::make_unique<TokenAuthority>(Build(yaml), clock_, metrics_);
  const auto reason = [&](const std::string& id) {
    TokenAuthority::RelayedItem item;
    item.set_sandbox_id(id);
    v1::ErrorReason got = v1::ERROR_REASON_UNSPECIFIED;
    authority_->IssueRelayed(item, [&](TokenAuthority::RelayedResult result) { got = result.error().reason(); });
    return got;
  };
  EXPECT_EQ(reason("box"), v1::ERROR_REASON_UNSPECIFIED);
  EXPECT_EQ(reason(""), v1::NO_POLICY);
  EXPECT_EQ(reason("other"), v1::NO_POLICY);
  EXPECT_THAT(Issue(As(""), {}), IsRefusal(v1::NO_POLICY));
}

}  // namespace
}  // namespace livekit::token
