// Keys on their way through the key files.
#include "server/key_ledger.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server_fixture.h"

namespace livekit::token {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Time kStart = testing::FakeClock().now;

// A project with these keys, of which the first signs.
KeyLedger::ProjectInUse ProjectOf(const std::string& name, const std::vector<std::string>& keys,
                                  seconds longest_ttl = hours(1)) {
  auto project = std::make_shared<Project>();
  project->name = name;
  auto ring = std::make_shared<KeyRing>();
  for (const std::string& id : keys) {
    const auto key = ApiKey::Create(id, testing::kMainSecret);
    EXPECT_OK(key);
    EXPECT_OK(ring->Add(*key));
    if (project->signing_key == nullptr) project->signing_key = *key;
  }
  project->keys = std::move(ring);
  return {std::move(project), longest_ttl};
}

class KeyLedgerTest : public ::testing::Test {
 protected:
  void Use(const std::vector<std::string>& keys, Time now, seconds longest_ttl = hours(1)) {
    ledger_.Use({ProjectOf("main", keys, longest_ttl)}, now);
  }
  void Sign(const std::string& key, Time expire_time) { ledger_.Record("main", key)->Signed(expire_time); }
  // The key's status; one with an empty id if it is not there.
  KeyStatus Of(const std::string& key, Time now, const std::string& project = "main") {
    for (KeyStatus& status : ledger_.Status(now)) {
      if (status.key_id == key && status.project == project) return status;
    }
    return {};
  }
  void ExpectRemovable(const std::string& key, KeyState state, Time from_livekit, Time here, Time now) {
    const KeyStatus status = Of(key, now);
    EXPECT_EQ(status.key_id, key);
    EXPECT_EQ(KeyStateName(status.state), KeyStateName(state)) << key;
    EXPECT_EQ(status.remove_from_livekit, from_livekit) << key;
    EXPECT_EQ(status.remove_here, here) << key;
  }

  KeyLedger ledger_;
};

TEST(KeyRecordTest, RemembersTheLatestExpiry) {
  KeyRecord record;
  EXPECT_EQ(record.latest_expiry(), std::nullopt);
  record.Signed(kStart);
  EXPECT_EQ(record.latest_expiry(), kStart);
  record.Signed(kStart + seconds(10));
  record.Signed(kStart + seconds(9));
  record.Signed(kStart);
  EXPECT_EQ(record.latest_expiry(), kStart + seconds(10));
}

TEST_F(KeyLedgerTest, AKeyGoesFromPendingToGone) {
  Use({"old"}, kStart);
  EXPECT_EQ(Of("old", kStart).state, KeyState::kActive);
  Use({"old", "new"}, kStart + hours(1));
  EXPECT_EQ(Of("old", kStart).state, KeyState::kActive);
  EXPECT_EQ(Of("new", kStart).state, KeyState::kPending);
  Use({"new", "old"}, kStart + hours(2));
  EXPECT_EQ(Of("new", kStart).state, KeyState::kActive);
  EXPECT_EQ(Of("old", kStart).state, KeyState::kRetiring);
  Use({"new"}, kStart + hours(3));
  EXPECT_EQ(Of("new", kStart).state, KeyState::kActive);
  EXPECT_EQ(Of("old", kStart).state, KeyState::kGone);
}

TEST_F(KeyLedgerTest, AnActiveKeyMayNotBeRemoved) {
  Use({"key"}, kStart);
  Sign("key", kStart + hours(1));
  const KeyStatus status = Of("key", kStart + hours(1000));
  EXPECT_EQ(status.state, KeyState::kActive);
  EXPECT_EQ(status.latest_expiry, kStart + hours(1));
  EXPECT_EQ(status.remove_from_livekit, std::nullopt);
  EXPECT_EQ(status.remove_here, std::nullopt);
}

// Another replica may have signed with it until the change.
TEST_F(KeyLedgerTest, AKeyThatSignedNothingWaitsForTheLongestTokens) {
  Use({"old"}, kStart);
  const Time changed = kStart + hours(5);
  Use({"new", "old"}, changed);
  const Time last = changed + hours(1) + minutes(1);
  ExpectRemovable("old", KeyState::kRetiring, last, last + hours(1), changed);
  // Nothing of that changes with later generations.
  Use({"new", "old"}, changed + hours(3));
  ExpectRemovable("old", KeyState::kRetiring, last, last + hours(1), changed);
  Use({"new"}, changed + hours(4));
  ExpectRemovable("old", KeyState::kGone, last, last + hours(1), changed);
}

TEST_F(KeyLedgerTest, TheLatestTokenCountsIfItIsLater) {
  Use({"old"}, kStart);
  Sign("old", kStart + hours(9));
  Use({"new", "old"}, kStart + hours(1));
  ExpectRemovable("old", KeyState::kRetiring, kStart + hours(9) + minutes(1), kStart + hours(10) + minutes(1), kStart);
  // Requests that began before may still sign.
  Sign("old", kStart + hours(9) + seconds(5));
  ExpectRemovable("old", KeyState::kRetiring, kStart + hours(9) + seconds(65), kStart + hours(10) + seconds(65),
                  kStart);
  Use({"new", "old"}, kStart + hours(2));
  EXPECT_EQ(Of("old", kStart).latest_expiry, kStart + hours(9) + seconds(5));
}

TEST_F(KeyLedgerTest, RefreshedTokensLiveForTenMinutesAtLeast) {
  Use({"old"}, kStart, seconds(30));
  Use({"new", "old"}, kStart, seconds(30));
  ExpectRemovable("old", KeyState::kRetiring, kStart + seconds(90), kStart + seconds(90) + minutes(10), kStart);
}

TEST_F(KeyLedgerTest, TokensOfEarlierConfigurationsMayLiveLonger) {
  Use({"old"}, kStart, hours(24));
  Use({"old"}, kStart + hours(1), minutes(1));
  Use({"new", "old"}, kStart + hours(2), minutes(1));
  const Time last = kStart + hours(26) + minutes(1);
  ExpectRemovable("old", KeyState::kRetiring, last, last + hours(24), kStart);
}

TEST_F(KeyLedgerTest, APendingKeyIsIdleSinceItCame) {
  Use({"old"}, kStart);
  const Time came = kStart + hours(3);
  Use({"old", "new"}, came);
  Use({"old", "new"}, came + hours(3));
  const Time last = came + hours(1) + minutes(1);
  ExpectRemovable("new", KeyState::kPending, last, last + hours(1), came);
}

TEST_F(KeyLedgerTest, AKeyThatGoesWhileItSignsIsIdleSinceThen) {
  Use({"old"}, kStart);
  const Time gone = kStart + hours(2);
  Use({"new"}, gone);
  const Time last = gone + hours(1) + minutes(1);
  ExpectRemovable("old", KeyState::kGone, last, last + hours(1), gone);
  Use({"new"}, gone + hours(1));
  ExpectRemovable("old", KeyState::kGone, last, last + hours(1), gone);
}

TEST_F(KeyLedgerTest, AKeyIsForgottenWhenItNoLongerMatters) {
  Use({"old"}, kStart);
  Use({"new"}, kStart);
  const Time over = kStart + hours(2) + minutes(1);
  EXPECT_EQ(Of("old", over - seconds(1)).state, KeyState::kGone);
  EXPECT_EQ(Of("old", over).key_id, "");
  EXPECT_EQ(Of("old", over - seconds(1)).key_id, "");  // it is not only hidden
  // One that is still in the file stays, however old.
  Use({"newest", "new"}, over);
  EXPECT_EQ(Of("new", over + hours(1000)).state, KeyState::kRetiring);
}

TEST_F(KeyLedgerTest, AKeyThatComesBackSigns) {
  Use({"a"}, kStart);
  Use({"b", "a"}, kStart + hours(1));
  Use({"a", "b"}, kStart + hours(2));  // the change is taken back
  EXPECT_EQ(Of("a", kStart).state, KeyState::kActive);
  EXPECT_EQ(Of("a", kStart).remove_here, std::nullopt);
  EXPECT_EQ(Of("b", kStart).state, KeyState::kRetiring);
  const Time again = kStart + hours(5);
  Use({"b", "a"}, again);
  ExpectRemovable("a", KeyState::kRetiring, again + hours(1) + minutes(1), again + hours(2) + minutes(1), again);
  Use({"b"}, again);
  EXPECT_EQ(Of("a", again).state, KeyState::kGone);
  Use({"b", "a"}, again + hours(1));
  EXPECT_EQ(Of("a", again).state, KeyState::kRetiring);
  EXPECT_EQ(Of("a", again).remove_from_livekit, again + hours(1) + minutes(1));
}

TEST_F(KeyLedgerTest, ProjectsHaveTheirOwnKeys) {
  ledger_.Use({ProjectOf("one", {"a", "b"}), ProjectOf("two", {"c"}, hours(9))}, kStart);
  ledger_.Record("two", "c")->Signed(kStart + hours(9));
  EXPECT_EQ(Of("a", kStart, "one").state, KeyState::kActive);
  EXPECT_EQ(Of("b", kStart, "one").state, KeyState::kPending);
  EXPECT_EQ(Of("c", kStart, "two").state, KeyState::kActive);
  EXPECT_EQ(Of("a", kStart, "one").latest_expiry, std::nullopt);
  // A key moves from one to the other.
  ledger_.Use({ProjectOf("one", {"a"}), ProjectOf("two", {"b", "c"}, hours(9))}, kStart + hours(1));
  EXPECT_EQ(Of("b", kStart, "one").state, KeyState::kGone);
  EXPECT_EQ(Of("b", kStart, "two").state, KeyState::kActive);
  EXPECT_EQ(Of("c", kStart, "two").state, KeyState::kRetiring);
  // A project goes.
  ledger_.Use({ProjectOf("one", {"a"})}, kStart + hours(2));
  EXPECT_EQ(Of("a", kStart, "one").state, KeyState::kActive);
  EXPECT_EQ(Of("b", kStart, "two").state, KeyState::kGone);
  EXPECT_EQ(Of("b", kStart, "two").remove_from_livekit, kStart + hours(11) + minutes(1));
  EXPECT_EQ(Of("c", kStart, "two").remove_from_livekit, kStart + hours(10) + minutes(1));
  std::vector<std::string> order;
  for (const auto& status : ledger_.Status(kStart)) order.push_back(status.project + "/" + status.key_id);
  EXPECT_THAT(order, ::testing::ElementsAre("one/a", "one/b", "two/b", "two/c"));
}

TEST_F(KeyLedgerTest, RecordsOfARefusedConfigurationVanish) {
  Use({"a"}, kStart);
  auto refused = ledger_.Record("main", "x");
  EXPECT_EQ(ledger_.Record("main", "x"), refused);
  EXPECT_THAT(ledger_.Status(kStart), SizeIs(1));
  EXPECT_EQ(ledger_.Record("main", "x"), refused);  // while it is held it is the same
  refused->Signed(kStart);
  refused.reset();
  EXPECT_THAT(ledger_.Status(kStart), SizeIs(1));
  EXPECT_EQ(ledger_.Record("main", "x")->latest_expiry(), std::nullopt);
}

TEST_F(KeyLedgerTest, ARecordIsTheSameForAllGenerations) {
  const auto record = ledger_.Record("main", "a");
  Use({"a"}, kStart);
  Use({"b", "a"}, kStart);
  Use({"b"}, kStart);
  (void)ledger_.Status(kStart + hours(1000));
  // A request of the first generation may still hold it, and the key come back.
  record->Signed(kStart + hours(2000));
  EXPECT_EQ(ledger_.Record("main", "a"), record);
  EXPECT_EQ(Of("a", kStart).latest_expiry, kStart + hours(2000));
}

TEST_F(KeyLedgerTest, IsWrittenAsJson) {
  EXPECT_EQ(KeysAsJson({}), "[]\n");
  Use({"old"}, Time(seconds(1'800'000'000)));
  Sign("old", Time(seconds(1'800'007'200)));
  Use({"new\"", "old"}, Time(seconds(1'800'000'000)));
  const auto keys = nlohmann::json::parse(KeysAsJson(ledger_.Status(kStart)));
  ASSERT_THAT(keys, SizeIs(2));
  EXPECT_EQ(keys[0]["state"], "active");
  EXPECT_EQ(keys[0]["latest_expiry"], nullptr);
  EXPECT_EQ(keys[0]["remove_here_after"], nullptr);
  EXPECT_EQ(keys[1], nlohmann::json({{"project", "main"},
                                     {"key", "old"},
                                     {"state", "retiring"},
                                     {"latest_expiry", "2027-01-15T10:00:00Z"},
                                     {"remove_from_livekit_after", "2027-01-15T10:01:00Z"},
                                     {"remove_here_after", "2027-01-15T11:01:00Z"}}));
}

}  // namespace
}  // namespace livekit::token
