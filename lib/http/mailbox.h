// Where the answer to a connection's current request arrives.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

#include "http/server.h"
#include "http/socket.h"

namespace livekit::token::http {

// One request at a time. An answer to an earlier request, a second answer and one after Abort are dropped.
//
// Thread safety: all methods may be called concurrently.
class Mailbox {
 public:
  // Starts waiting for an answer; returns the number by which it is to be delivered.
  std::uint64_t Expect();
  void Deliver(std::uint64_t number, Response response);
  // Waits for the answer that is expected; nothing after `deadline` or Abort.
  std::optional<Response> Wait(SteadyTime deadline);
  // Ends all waiting, now and later.
  void Abort();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t expected_ = 0;
  bool waiting_ = false;
  bool aborted_ = false;
  std::optional<Response> response_;
};

}  // namespace livekit::token::http
