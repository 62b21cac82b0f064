#include "http/mailbox.h"

#include <utility>

namespace livekit::token::http {

std::uint64_t Mailbox::Expect() {
  std::lock_guard lock(mutex_);
  waiting_ = true;
  response_.reset();
  return ++expected_;
}

void Mailbox::Deliver(std::uint64_t number, Response response) {
  std::lock_guard lock(mutex_);
  if (!waiting_ || number != expected_ || response_) return;
  response_ = std::move(response);
  changed_.notify_one();
}

std::optional<Response> Mailbox::Wait(SteadyTime deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return response_.has_value() || aborted_; });
  waiting_ = false;
  return std::exchange(response_, std::nullopt);
}

void Mailbox::Abort() {
  std::lock_guard lock(mutex_);
  aborted_ = true;
  changed_.notify_one();
}

}  // namespace livekit::token::http
