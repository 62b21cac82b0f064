// What became of the requests of a load.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace livekit::token::faults {

using Clock = std::chrono::steady_clock;

// Counts outcomes by name, latencies and when what happened. Thread safety: all methods may be called concurrently.
class Tally {
 public:
  // Times are told relative to `start`.
  explicit Tally(Clock::time_point start) : start_(start) {}

  // A request that was due at `due` has ended now, well or not. `detail` helps to find out why not; only that of the
  // first failures is kept.
  void Count(std::string_view outcome, bool good, Clock::time_point due, std::string_view detail = "");
  // A token that was signed by this key has come now.
  void CountKey(std::string_view key_id);
  // Something that is no outcome of a request, such as a connection that was replaced.
  void CountEvent(std::string_view name);

  // One line of JSON: `start` (CLOCK_MONOTONIC, seconds), `requests`, `ok`, `failed`, `outcomes` by name, `p50_ms`,
  // `p99_ms` and `max_ms` of good requests, `failed_max_ms`, `first_failure_s` and `last_failure_s`, `bin_ms`,
  // `ok_series` and `failed_series` (how many ended in each bin), `keys` (count, first_s, last_s, series by second),
  // `events`, `failures` (the first ones: second, outcome, milliseconds, detail).
  std::string Json() const;

 private:
  struct Key {
    std::uint64_t count = 0;
    double first_s = 0;
    double last_s = 0;
    std::vector<std::uint64_t> series;
  };
  struct Failure {
    double second;
    std::string outcome;
    double ms;
    std::string detail;
  };

  double SecondsNow() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  const Clock::time_point start_;
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>> outcomes_;
  std::map<std::string, std::uint64_t, std::less<>> events_;
  std::map<std::string, Key, std::less<>> keys_;
  std::vector<float> good_ms_;
  double failed_max_ms_ = 0;
  std::vector<std::uint64_t> ok_series_;
  std::vector<std::uint64_t> failed_series_;
  std::uint64_t failed_ = 0;
  double first_failure_s_ = 0;
  double last_failure_s_ = 0;
  std::vector<Failure> failures_;
};

}  // namespace livekit::token::faults
