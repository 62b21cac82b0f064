// One client connection: reads requests, has them handled, writes the answers in order.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/framer.h"
#include "http/mailbox.h"
#include "http/server.h"
#include "http/server_state.h"
#include "http/timers.h"
#include "http/transport.h"

namespace livekit::token::http {

// What the connections of one loop share; used by the loop's thread only.
struct LoopState {
  ServerState& server;
  Timers timers;
  std::shared_ptr<Mailbox> mailbox;
  std::string read_buffer;   // what one read brings, for whichever connection reads
  std::string write_buffer;  // an answer that is being made
  // The last target and its path: nearly every client asks for the same few.
  std::string last_target;
  std::string last_path;
  // When the loop began its round: to read clocks for each request costs.
  SteadyTime woke = {};
  Time woke_date = {};
};

// A state machine that its loop drives. Never blocks: a step that needs more waits for the socket, the handler's answer
// or its deadline. Exactly one of these is being waited for, together with the deadline.
//
// Thread safety: none; it belongs to its loop's thread.
class Connection final : public Timer {
 public:
  // `over_limit`: there are more connections than allowed; its first request is refused.
  Connection(std::unique_ptr<Transport> transport, std::string peer_address, LoopState& loop, bool over_limit);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Each of these does what can be done at once, and returns whether there is more to do without waiting: then Continue
  // is to be called after other connections have had their turn.
  bool OnReady(std::uint32_t epoll_events);
  bool OnDeadline();
  // The reply to the current request has its answer.
  bool OnAnswer();
  // The server has begun to drain: ends now if idle.
  bool OnDrain();
  bool Continue() { return Advance(); }

  // Ends one that is idle in an orderly way.
  void EndIdle();
  // Ends it at once, whatever it does.
  void Close();
  // Whether it has ended and may be destroyed.
  bool closed() const { return state_ == State::kClosed; }
  // How long it has been waiting for its client, if it does nothing else and others may have its place.
  std::optional<std::chrono::steady_clock::duration> Overstayed(SteadyTime now) const;
  // Whether nothing of a request has come.
  bool idle() const { return state_ == State::kReading && (!framer_ || framer_->empty()); }
  int fd() const { return transport_->fd(); }

  // Its place in the loop's list.
  std::size_t index = 0;
  // Whether it is in the loop's list of those that go on next.
  bool queued = false;

 private:
  enum class State { kReading, kHandling, kWriting, kLingering, kClosed };

  // Goes on until something must be waited for (false) or its turn is over (true).
  bool Advance();
  // The handler has the request, or has it no more.
  void SetHandling(bool handling);
  // One step; whether another may follow at once.
  bool ReadStep();
  bool WriteStep();
  bool LingerStep();
  // Takes received bytes up to the end of the current request and keeps the rest.
  void Frame(std::string_view data);
  // Whether the body of the current request is wanted, whose head is there.
  bool ReadsBody();
  // Makes request_ from what the framer understood of the head. The path stays empty if the target has none.
  void TakeHead();
  void Handle();
  // Answers with what the handler has given.
  void TakeAnswer();
  // Answers a request that cannot be handled; always ends the connection.
  void Refuse(v1::ErrorReason reason);
  void Answer(const Response& response);
  // Writes `data`; what the socket does not take now is kept.
  void Send(std::string_view data);
  void OnSent();
  void AwaitRequest();
  // Sets the deadline for what the client has to send next. Returns false, for the step that ends with it.
  bool AwaitBytes();
  void SetDeadline(SteadyTime deadline) { loop_.timers.Set(*this, deadline); }
  // Whether the connection has to end after the answer that comes next.
  bool MustClose() const { return loop_.server.discouraged || loop_.server.draining; }

  const std::unique_ptr<Transport> transport_;
  LoopState& loop_;
  const bool over_limit_;
  State state_ = State::kReading;
  bool readable_ = false;      // the socket may have something; an edge-triggered event tells only once
  bool peer_ended_ = false;    // the end is what the socket has last
  bool served_ = false;        // a request has been answered
  bool handling_ = false;      // the handler has the request
  bool head_taken_ = false;    // request_ has what the head says
  bool is_answer_ = false;     // what is being written is an answer, not `100 Continue`
  bool close_after_ = false;   // the connection ends after it
  bool unread_ = false;        // the client may still be sending what nobody will read
  std::size_t discarded_ = 0;  // bytes of that
  SteadyTime since_;           // start of the current request or, before its first byte, of the wait for it
  std::string input_;          // received and not yet used
  std::string output_;         // not yet written, from output_done_ on
  std::size_t output_done_ = 0;
  std::optional<Framer> framer_;  // of the current request
  Request request_;
  std::shared_ptr<Reply> reply_;
};

}  // namespace livekit::token::http
