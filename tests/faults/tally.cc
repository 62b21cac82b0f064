#include "faults/tally.h"

#include <algorithm>
#include <cmath>

#include "nlohmann/json.hpp"

namespace livekit::token::faults {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kBinMs = 100;
constexpr std::size_t kMostFailures = 40;

void AddAt(std::size_t index, std::vector<std::uint64_t>& series) {
  if (series.size() <= index) series.resize(index + 1);
  ++series[index];
}

double Percentile(const std::vector<float>& sorted, double part) {
  if (sorted.empty()) return 0;
  return sorted[std::min(static_cast<std::size_t>(part * static_cast<double>(sorted.size())), sorted.size() - 1)];
}

double Rounded(double value) { return std::round(value * 1000) / 1000; }

template <typename Map>
Json Counts(const Map& counts) {
  Json object = Json::object();
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

}  // namespace

void Tally::Count(std::string_view outcome, bool good, Clock::time_point due, std::string_view detail) {
  const double now = SecondsNow();
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - due).count();
  const auto bin = static_cast<std::size_t>(std::max(0.0, now * 1000 / kBinMs));
  std::lock_guard<std::mutex> lock(mutex_);
  ++outcomes_[std::string(outcome)];
  AddAt(bin, good ? ok_series_ : failed_series_);
  if (good) {
    good_ms_.push_back(static_cast<float>(ms));
    return;
  }
  if (failed_++ == 0) first_failure_s_ = now;
  last_failure_s_ = now;
  failed_max_ms_ = std::max(failed_max_ms_, ms);
  if (failures_.size() < kMostFailures) failures_.push_back({now, std::string(outcome), ms, std::string(detail)});
}

void Tally::CountKey(std::string_view key_id) {
  const double now = SecondsNow();
  std::lock_guard<std::mutex> lock(mutex_);
  Key& key = keys_[std::string(key_id)];
  if (key.count++ == 0) key.first_s = now;
  key.last_s = now;
  AddAt(static_cast<std::size_t>(std::max(0.0, now)), key.series);
}

void Tally::CountEvent(std::string_view name) {
  std::lock_guard<std::mutex> lock(mutex_);
  ++events_[std::string(name)];
}

std::string Tally::Json() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<float> sorted = good_ms_;
  std::sort(sorted.begin(), sorted.end());
  using faults::Json;
  Json result;
  // CLOCK_MONOTONIC is one for all processes of the machine: with it the times of this program and of whoever makes the
  // faults can be compared.
  result["start"] = std::chrono::duration<double>(start_.time_since_epoch()).count();
  result["requests"] = good_ms_.size() + failed_;
  result["ok"] = good_ms_.size();
  result["failed"] = failed_;
  result["outcomes"] = Counts(outcomes_);
  result["p50_ms"] = Rounded(Percentile(sorted, 0.5));
  result["p99_ms"] = Rounded(Percentile(sorted, 0.99));
  result["max_ms"] = Rounded(Percentile(sorted, 1));
  result["failed_max_ms"] = Rounded(failed_max_ms_);
  result["first_failure_s"] = failed_ > 0 ? Json(Rounded(first_failure_s_)) : Json();
  result["last_failure_s"] = failed_ > 0 ? Json(Rounded(last_failure_s_)) : Json();
  result["bin_ms"] = kBinMs;
  result["ok_series"] = ok_series_;
  result["failed_series"] = failed_series_;
  result["keys"] = Json::object();
  for (const auto& [id, key] : keys_) {
    result["keys"][id] = {{"count", key.count},
                          {"first_s", Rounded(key.first_s)},
                          {"last_s", Rounded(key.last_s)},
                          {"series", key.series}};
  }
  result["events"] = Counts(events_);
  result["failures"] = Json::array();
  for (const Failure& failure : failures_) {
    result["failures"].push_back({Rounded(failure.second), failure.outcome, Rounded(failure.ms), failure.detail});
  }
  // Bytes of a broken answer may be no UTF-8.
  return result.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace livekit::token::faults
