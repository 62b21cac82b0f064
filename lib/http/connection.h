// One client connection: reads requests, has them handled, writes the answers in order.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/framer.h"
#include "http/mailbox.h"
#include "http/server.h"
#include "http/socket.h"

namespace livekit::token::http {

// What all connections of a server share.
struct ConnectionContext {
  const ServerOptions& options;
  Handler& handler;
  // The decoded path of a request target; nothing if it has none.
  std::function<std::optional<std::string>(const std::string& target)> path_of;
  // Every answer ends its connection.
  std::atomic<bool> discouraged{false};
  // The same, and idle connections end at once.
  std::atomic<bool> draining{false};
  // Clients wait to be accepted while all threads are taken.
  std::atomic<bool> crowded{false};
};

// Thread safety: Serve runs on one thread; the other methods may be called from any while the object lives.
class Connection {
 public:
  Connection(Accepted accepted, ConnectionContext& context);

  // Serves requests until the connection ends.
  void Serve();

  // When it began to wait for a request, in ticks of the steady clock; 0 while it is busy.
  std::int64_t idle_since() const { return idle_since_; }
  // Ends it as soon as what has been received is answered.
  void StopReading();
  // Ends it now.
  void Abort();

 private:
  // Serves one request; returns whether another may follow.
  bool ServeOne();
  // Waits for the first bytes of a request.
  WaitResult WaitForRequest();
  // Reads until the framer has left the states kHead or kBody.
  WaitResult ReadUntilDone(Framer& framer, SteadyTime deadline);
  // Answers a complete request by the handler.
  bool Answer(Framer& framer, Request request, SteadyTime deadline, bool body_unread);
  // Answers a request that is refused; always ends the connection.
  bool Refuse(const Request& request, v1::ErrorReason reason);
  bool Write(const Response& response, bool without_body, bool close, bool say_keep_alive);
  // Whether the connection has to end after the answer that comes next.
  bool MustClose() const;
  // Lets the client read the last answer although it still sends.
  void Linger();

  ConnectionContext& context_;
  const Fd fd_;
  const std::string peer_address_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::string input_;  // received and not yet used
  int served_ = 0;
  bool unread_ = false;  // the client may still be sending
  std::atomic<std::int64_t> idle_since_{0};
};

}  // namespace livekit::token::http
