// Load of a number of calls that are in flight all the time.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "grpcpp/client_context.h"
#include "livekit/token/v1/token_service.grpc.pb.h"

namespace livekit::token::bench {

// What one run of load came to.
struct LoadResult {
  double seconds = 0;
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
  std::string first_failure;
  std::vector<float> latencies_us;  // sorted

  double Percentile(double p) const {
    if (latencies_us.empty()) return 0;
    return latencies_us[static_cast<std::size_t>(p * static_cast<double>(latencies_us.size() - 1))];
  }
};

// Calls one method of the asynchronous stub again and again, `in_flight` at a time, each the moment another ends. Every
// place in the row keeps its response, so that protobuf's memory is used again.
template <typename Request, typename Response>
class ClosedLoop {
 public:
  using Stub = v1::TokenService::Stub::async_interface;
  using Method = void (Stub::*)(grpc::ClientContext*, const Request*, Response*, std::function<void(grpc::Status)>);

  ClosedLoop(Stub& stub, Method method, const Request& request, std::string credential)
      : stub_(stub), method_(method), request_(request), credential_(std::move(credential)) {}

  LoadResult Run(int in_flight, std::chrono::nanoseconds duration) {
    places_ = std::vector<Place>(in_flight);
    running_ = in_flight;
    const auto start = Clock::now();
    end_ = start + duration;
    for (auto& place : places_) Start(place);
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
    LoadResult result;
    result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    for (auto& place : places_) {
      result.calls += place.latencies_us.size();
      result.failed += place.failed;
      if (result.first_failure.empty()) result.first_failure = place.first_failure;
      result.latencies_us.insert(result.latencies_us.end(), place.latencies_us.begin(), place.latencies_us.end());
    }
    std::sort(result.latencies_us.begin(), result.latencies_us.end());
    return result;
  }

  // The last response of each place.
  std::vector<const Response*> responses() const {
    std::vector<const Response*> responses;
    for (const auto& place : places_) responses.push_back(&place.response);
    return responses;
  }

 private:
  using Clock = std::chrono::steady_clock;

  struct Place {
    std::unique_ptr<grpc::ClientContext> context;
    Response response;
    Clock::time_point start;
    std::vector<float> latencies_us;
    std::uint64_t failed = 0;
    std::string first_failure;
  };

  void Start(Place& place) {
    place.context = std::make_unique<grpc::ClientContext>();
    place.context->AddMetadata("x-caller-authorization", credential_);
    place.start = Clock::now();
    (stub_.*method_)(place.context.get(), &request_, &place.response,
                     [this, &place](const grpc::Status& status) { Finish(place, status); });
  }

  void Finish(Place& place, const grpc::Status& status) {
    const auto now = Clock::now();
    place.latencies_us.push_back(std::chrono::duration<float, std::micro>(now - place.start).count());
    if (!status.ok()) {
      ++place.failed;
      if (place.first_failure.empty()) place.first_failure = status.error_message();
    }
    if (now < end_) return Start(place);
    std::lock_guard<std::mutex> lock(mutex_);
    if (--running_ == 0) ended_.notify_all();
  }

  Stub& stub_;
  const Method method_;
  const Request& request_;
  const std::string credential_;
  std::vector<Place> places_;
  Clock::time_point end_;
  std::mutex mutex_;
  std::condition_variable ended_;
  int running_ = 0;
};

}  // namespace livekit::token::bench
