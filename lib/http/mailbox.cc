#include "http/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <new>
#include <utility>

namespace livekit::token::http {

Mailbox::Mailbox() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_.valid()) throw std::bad_alloc();
}

void Mailbox::Deliver(const std::shared_ptr<Reply>& reply, Response response) {
  if (reply->answered.exchange(true)) return;
  reply->response = std::move(response);
  Mailbox& mailbox = *reply->mailbox;
  // The usual case in one process: no lock, no wake-up, no detour.
  if (mailbox.owner_.load(std::memory_order_relaxed) == std::this_thread::get_id() && mailbox.current_ == reply.get()) {
    reply->inline_answer = true;
    return;
  }
  std::lock_guard lock(mailbox.mutex_);
  if (mailbox.closed_) return;
  mailbox.queue_.push_back(reply);
  if (!std::exchange(mailbox.awake_, true)) mailbox.Wake();
}

void Mailbox::Wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

void Mailbox::Take(std::vector<std::shared_ptr<Reply>>& out) {
  std::uint64_t count;
  [[maybe_unused]] const ssize_t size = read(wake_.get(), &count, sizeof count);
  std::lock_guard lock(mutex_);
  awake_ = false;
  out.swap(queue_);
}

void Mailbox::Close() {
  std::vector<std::shared_ptr<Reply>> dropped;
  std::lock_guard lock(mutex_);
  closed_ = true;
  dropped.swap(queue_);
}

}  // namespace livekit::token::http
