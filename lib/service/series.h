// Series of metrics, as the rows of metric_table.h say; for the files that fill them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/metric_family.h"
#include "prometheus/registry.h"
#include "service/metric_table.h"

namespace livekit::token {

// Most series of one metric, the one for all others included: whoever reads metrics keeps each of them in memory.
inline constexpr std::size_t kMaxSeries = 100;

template <typename T>
prometheus::Family<T>& MakeFamilyOf(prometheus::Registry& registry, const MetricRow& row) {
  return prometheus::detail::Builder<T>().Name(std::string(row.name)).Help(std::string(row.help)).Register(registry);
}

// The one series of a counter or gauge without labels, which is there from the start.
template <typename T>
T& Single(prometheus::Registry& registry, const MetricRow& row) {
  return MakeFamilyOf<T>(registry, row).Add({});
}

// The series of a metric with labels. prometheus-cpp makes a new series, with all its buckets, at every look-up by
// labels and then throws it away; so those that are known are kept here. Finding one writes nothing, since a lock that
// every request takes is sent from processor to processor.
//
// Thread safety: all methods may be called concurrently. What they return lives as long as the registry.
template <typename T>
class Series {
 public:
  using Values = std::initializer_list<std::string_view>;

  Series(prometheus::Registry& registry, const MetricRow& row) : row_(row), family_(MakeFamilyOf<T>(registry, row)) {}

  // The series with these values, one for each label of the row. From the hundredth on all are the same.
  T& Get(Values values) {
    const std::size_t hash = HashOf(values);
    if (T* const series = Find(values, hash)) return *series;
    const std::lock_guard lock(mutex_);
    if (T* const series = Find(values, hash)) return *series;
    if (known_.size() + 1 < kMaxSeries) return Keep(values, hash);
    T& others = Add(std::vector<std::string_view>(label_count(), kOtherSeries));
    others_ = &others;
    return others;
  }

 private:
  struct Known {
    std::size_t hash;
    std::vector<std::string> values;
    T* series;
  };

  static constexpr std::size_t kSlots = 256;
  static_assert(kSlots > kMaxSeries);  // one is always empty, where a search ends

  static std::size_t HashOf(Values values) {
    std::size_t hash = 0;
    for (const std::string_view value : values) hash = 31 * hash + std::hash<std::string_view>()(value);
    return hash;
  }

  T* Find(Values values, std::size_t hash) const {
    for (std::size_t i = hash;; ++i) {
      const Known* const known = slots_[i % kSlots].load(std::memory_order_acquire);
      if (known == nullptr) return others_;
      if (known->hash == hash && std::equal(values.begin(), values.end(), known->values.begin(), known->values.end())) {
        return known->series;
      }
    }
  }

  // Adds a series that nobody has found, with the lock.
  T& Keep(Values values, std::size_t hash) {
    T& series = Add(values);
    const Known& known = known_.emplace_back(Known{hash, {values.begin(), values.end()}, &series});
    std::size_t i = hash;
    while (slots_[i % kSlots].load(std::memory_order_relaxed) != nullptr) ++i;
    slots_[i % kSlots].store(&known, std::memory_order_release);
    return series;
  }

  std::size_t label_count() const {
    std::size_t count = 0;
    while (count < row_.labels.size() && !row_.labels[count].empty()) ++count;
    return count;
  }

  template <typename Texts>
  T& Add(const Texts& values) {
    prometheus::Labels labels;
    auto name = row_.labels.begin();
    for (const std::string_view value : values) labels.emplace(*name++, value);
    if constexpr (std::is_same_v<T, prometheus::Histogram>) {
      return family_.Add(labels, std::vector<double>(row_.buckets.begin(), row_.buckets.end()));
    } else {
      return family_.Add(labels);
    }
  }

  const MetricRow& row_;
  prometheus::Family<T>& family_;
  std::array<std::atomic<const Known*>, kSlots> slots_{};  // of known_, by hash, each in the first place that was empty
  std::atomic<T*> others_ = nullptr;                       // null until it is needed
  std::mutex mutex_;
  std::deque<Known> known_;  // guarded by mutex_
};

// A family for values that are collected when metrics are read, without any.
prometheus::MetricFamily MakeFamily(const MetricRow& row);
// Adds a series to a counter or gauge.
void AddValue(prometheus::MetricFamily& family, std::vector<prometheus::ClientMetric::Label> labels, double value);

}  // namespace livekit::token
