// Series of metrics, as the rows of metric_table.h say; for the files that fill them.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
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
// labels and then throws it away; so those that are known are kept here.
//
// Thread safety: all methods may be called concurrently. What they return lives as long as the registry.
template <typename T>
class Series {
 public:
  Series(prometheus::Registry& registry, const MetricRow& row) : row_(row), family_(MakeFamilyOf<T>(registry, row)) {}

  // The series with these values, one for each label of the row. From the hundredth on all are the same.
  T& Get(std::initializer_list<std::string_view> values) {
    std::string key;
    for (const std::string_view value : values) key.append(value).push_back('\0');
    {
      std::shared_lock lock(mutex_);
      const auto it = known_.find(key);
      if (it != known_.end()) return *it->second;
      if (others_ != nullptr) return *others_;
    }
    std::unique_lock lock(mutex_);
    if (const auto it = known_.find(key); it != known_.end()) return *it->second;
    if (known_.size() + 1 < kMaxSeries) {
      T& series = Add(values);
      known_.emplace(std::move(key), &series);
      return series;
    }
    if (others_ == nullptr) {
      const std::vector<std::string_view> others(label_count(), kOtherSeries);
      others_ = &Add(others);
    }
    return *others_;
  }

 private:
  std::size_t label_count() const {
    std::size_t count = 0;
    while (count < row_.labels.size() && !row_.labels[count].empty()) ++count;
    return count;
  }

  template <typename Values>
  T& Add(const Values& values) {
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
  std::shared_mutex mutex_;
  std::unordered_map<std::string, T*> known_;  // guarded by mutex_
  T* others_ = nullptr;                        // guarded by mutex_; null until it is needed
};

// A family for values that are collected when metrics are read, without any.
prometheus::MetricFamily MakeFamily(const MetricRow& row);
// Adds a series to a counter or gauge.
void AddValue(prometheus::MetricFamily& family, std::vector<prometheus::ClientMetric::Label> labels, double value);

}  // namespace livekit::token
