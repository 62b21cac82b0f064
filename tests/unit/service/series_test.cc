#include "service/series.h"

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace livekit::token {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr MetricRow kRow{"asked_total", MetricType::kCounter, kAllPrograms, {"who", "what"}, "Asked."};
constexpr MetricRow kBare{"all_total", MetricType::kCounter, kAllPrograms, {}, "All."};

std::string Text(const prometheus::Registry& registry) {
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

std::size_t SeriesIn(const prometheus::Registry& registry) {
  std::size_t count = 0;
  for (const auto& family : registry.Collect()) count += family.metric.size();
  return count;
}

TEST(Series, AreTheSameForTheSameValues) {
  prometheus::Registry registry;
  Series<prometheus::Counter> series(registry, kRow);
  EXPECT_EQ(&series.Get({"a", "b"}), &series.Get({"a", "b"}));
  EXPECT_NE(&series.Get({"a", "b"}), &series.Get({"ab", ""}));
  EXPECT_NE(&series.Get({"a", "b"}), &series.Get({"b", "a"}));
}

TEST(Series, WithoutLabelsAreThereFromTheStart) {
  prometheus::Registry registry;
  Single<prometheus::Counter>(registry, kBare);
  Series<prometheus::Counter> labelled(registry, kRow);
  EXPECT_THAT(Text(registry), HasSubstr("all_total 0\n"));
  EXPECT_THAT(Text(registry), Not(HasSubstr("asked_total")));
}

TEST(Series, AreAtMostAHundredWhateverIsAsked) {
  prometheus::Registry registry;
  Series<prometheus::Counter> series(registry, kRow);
  for (int i = 0; i < 99; ++i) series.Get({std::to_string(i), "x"}).Increment();
  EXPECT_EQ(SeriesIn(registry), 99u);
  EXPECT_THAT(Text(registry), Not(HasSubstr("_OTHER")));
  for (int i = 99; i < 1000; ++i) series.Get({std::to_string(i), "x"}).Increment();
  EXPECT_EQ(SeriesIn(registry), kMaxSeries);
  EXPECT_THAT(Text(registry), HasSubstr("asked_total{what=\"_OTHER\",who=\"_OTHER\"} 901\n"));
  // Those that were there before are as they were.
  series.Get({"98", "x"}).Increment();
  EXPECT_THAT(Text(registry), HasSubstr("asked_total{what=\"x\",who=\"98\"} 2\n"));
}

TEST(Series, AreAtMostAHundredUnderConcurrency) {
  prometheus::Registry registry;
  Series<prometheus::Counter> series(registry, kRow);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&series, t] {
      for (int i = 0; i < 200; ++i) series.Get({std::to_string(i), i % 2 == 0 ? "" : std::to_string(t)}).Increment();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(SeriesIn(registry), kMaxSeries);
  double sum = 0;
  for (const auto& family : registry.Collect()) {
    for (const auto& metric : family.metric) sum += metric.counter.value;
  }
  EXPECT_EQ(sum, 800);
}

TEST(MetricTable, FollowsTheRulesOfNames) {
  std::set<std::string_view> names;
  for (const MetricRow& row : kMetricTable) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " is there twice";
    EXPECT_EQ(row.name.ends_with("_total"), row.type == MetricType::kCounter) << row.name;
    EXPECT_EQ(!row.buckets.empty(), row.type == MetricType::kHistogram) << row.name;
    EXPECT_TRUE(std::is_sorted(row.buckets.begin(), row.buckets.end())) << row.name;
    EXPECT_NE(row.programs, 0u) << row.name;
    EXPECT_TRUE(row.help.ends_with(".")) << row.name;
    bool ended = false;
    for (const std::string_view label : row.labels) {
      EXPECT_FALSE(ended && !label.empty()) << row.name << " has a gap before " << label;
      ended = label.empty();
      EXPECT_EQ(label.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << label;
    }
  }
}

}  // namespace
}  // namespace livekit::token
