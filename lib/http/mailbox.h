// Where answers arrive that other threads give.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "http/server.h"
#include "http/socket.h"

namespace livekit::token::http {

class Connection;
class Mailbox;

// The answer to one request on its way to its connection.
struct Reply {
  explicit Reply(std::shared_ptr<Mailbox> m, Connection* c) : mailbox(std::move(m)), connection(c) {}

  const std::shared_ptr<Mailbox> mailbox;
  std::atomic<bool> answered{false};
  Response response;
  // Null once the connection no longer waits for it. Touched by the loop's thread only, like `inline_answer`.
  Connection* connection;
  // The handler answered before it returned.
  bool inline_answer = false;
};

// The replies that a loop has to look at. Outlives the loop for as long as somebody may answer.
//
// Thread safety: Deliver and Wake may be called from any thread; the rest belongs to the loop's.
class Mailbox {
 public:
  // Throws std::bad_alloc if the system has no descriptor left.
  Mailbox();

  // Takes an answer; a second one to the same request is dropped. The function is what a handler gets as Respond.
  static void Deliver(const std::shared_ptr<Reply>& reply, Response response);

  // Makes the descriptor readable.
  void Wake();
  int fd() const { return wake_.get(); }

  // The calling thread is the loop's.
  void Own() { owner_ = std::this_thread::get_id(); }
  // Replies to `reply`, if given while it is current, do not go through the queue.
  void set_current(const Reply* reply) { current_ = reply; }
  // Takes what has arrived and makes the descriptor unreadable.
  void Take(std::vector<std::shared_ptr<Reply>>& out);
  // Drops what is there and what comes later: replies own the mailbox, so that it must not keep any without a loop.
  void Close();

 private:
  const Fd wake_;
  std::atomic<std::thread::id> owner_{};
  const Reply* current_ = nullptr;
  std::mutex mutex_;
  bool awake_ = false;                         // guarded by mutex_: the descriptor is readable already
  bool closed_ = false;                        // guarded by mutex_
  std::vector<std::shared_ptr<Reply>> queue_;  // guarded by mutex_
};

}  // namespace livekit::token::http
