#include "http/connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "http/response_writer.h"

namespace livekit::token::http {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Steps that a connection may take before others get their turn; a step reads once or serves one request.
constexpr int kStepsPerTurn = 32;
// How long, and how much, is read from a client that goes on sending after its last answer.
constexpr milliseconds kLingerTime{1000};
constexpr std::size_t kLingerBytes = 1 << 20;
// For the request of a client that connected just before the drain, or when there were too many.
constexpr milliseconds kDrainPatience{250};
constexpr milliseconds kOverLimitPatience{1000};

// Before others may have its place: a client that is about to use its connection again does so at once, and one that
// has just connected, or has begun to send, has a slow network at worst.
constexpr milliseconds kIdlePatience{100};
constexpr milliseconds kSlowPatience{1000};

bool MethodHasBody(std::string_view method) { return method == "POST" || method == "PUT" || method == "PATCH"; }

}  // namespace

Connection::Connection(std::unique_ptr<Transport> transport, std::string peer_address, LoopState& loop, bool over_limit)
    : transport_(std::move(transport)), loop_(loop), over_limit_(over_limit), since_(loop.woke) {
  request_.peer_address = std::move(peer_address);
  AwaitBytes();
}

Connection::~Connection() { Close(); }

void Connection::SetHandling(bool handling) {
  Metrics* const metrics = loop_.server.options.metrics;
  if (std::exchange(handling_, handling) == handling || metrics == nullptr) return;
  metrics->HttpActiveRequests(handling ? 1 : -1);
}

void Connection::Close() {
  state_ = State::kClosed;
  SetHandling(false);
  loop_.timers.Clear(*this);
  if (reply_) std::exchange(reply_, nullptr)->connection = nullptr;
}

void Connection::EndIdle() {
  transport_->EndWriting();
  Close();
}

std::optional<Clock::duration> Connection::Overstayed(SteadyTime now) const {
  if (state_ != State::kReading) return std::nullopt;
  const auto waited = now - since_;
  if (waited < (served_ && idle() ? kIdlePatience : kSlowPatience)) return std::nullopt;
  return waited;
}

bool Connection::OnReady(std::uint32_t epoll_events) {
  // A reset, or both directions have ended: there is nobody to answer.
  if ((epoll_events & (EPOLLERR | EPOLLHUP)) != 0) {
    Close();
    return false;
  }
  // Whatever the direction: a TLS handshake may have waited for room to write before it can read on.
  readable_ = true;
  if ((epoll_events & EPOLLRDHUP) != 0) peer_ended_ = true;
  return Advance();
}

bool Connection::OnDeadline() {
  switch (state_) {
    case State::kReading:
      // A client that has said nothing is told nothing.
      if (idle()) {
        EndIdle();
      } else {
        Refuse(v1::REQUEST_TIMEOUT);
      }
      break;
    case State::kHandling:
      // The reply itself may be written by its owner just now.
      std::exchange(reply_, nullptr)->connection = nullptr;
      Answer(loop_.server.handler.Refuse(request_, v1::DEADLINE_EXCEEDED));
      break;
    case State::kWriting:
    case State::kLingering:
      Close();
      break;
    case State::kClosed:
      break;
  }
  return Advance();
}

bool Connection::OnAnswer() {
  TakeAnswer();
  return Advance();
}

bool Connection::OnDrain() {
  if (!idle()) return false;
  // What came before now is answered.
  readable_ = true;
  const bool more = Advance();
  if (idle() && served_) EndIdle();
  return more;
}

bool Connection::Advance() {
  for (int step = 0; step < kStepsPerTurn; ++step) {
    bool more = false;
    switch (state_) {
      case State::kReading:
        more = ReadStep();
        break;
      case State::kWriting:
        more = WriteStep();
        break;
      case State::kLingering:
        more = LingerStep();
        break;
      case State::kHandling:
      case State::kClosed:
        break;
    }
    if (!more) return false;
  }
  return true;
}

bool Connection::ReadStep() {
  if (!input_.empty()) {
    const std::string data = std::exchange(input_, std::string());
    Frame(data);
  } else {
    if (!readable_) return AwaitBytes();
    const IoResult result = transport_->Read(loop_.read_buffer.data(), loop_.read_buffer.size());
    // Behind the last bytes the end may be waiting, of which no further event will tell.
    readable_ = result.status == IoStatus::kOk && (!result.drained || peer_ended_);
    switch (result.status) {
      case IoStatus::kOk:
        Frame({loop_.read_buffer.data(), result.count});
        break;
      case IoStatus::kWouldBlock:
        return AwaitBytes();
      case IoStatus::kClosed:
        if (idle()) {
          Close();
        } else {
          Refuse(v1::MALFORMED_REQUEST);
        }
        break;
    }
  }
  // Bytes of a request that needs more: mostly there are none yet.
  if (state_ == State::kReading && input_.empty() && !readable_) return AwaitBytes();
  return true;
}

void Connection::Frame(std::string_view data) {
  const ServerOptions& options = loop_.server.options;
  if (!framer_) {
    framer_.emplace(FramerLimits{options.max_header_bytes, options.max_header_lines, options.max_body_bytes});
  }
  const bool was_empty = framer_->empty();
  data.remove_prefix(framer_->Feed(data));
  if (was_empty && !framer_->empty()) since_ = loop_.woke;
  bool ask_for_body = false;
  if (framer_->state() == Framer::State::kHeadDone && ReadsBody()) {
    framer_->ReadBody();
    // RFC 9110 section 10.1.1: not when the body is on its way already.
    ask_for_body = framer_->head().expects_continue && data.empty();
    data.remove_prefix(framer_->Feed(data));
  }
  // Before anything is answered, since what is left may be the next request.
  input_.assign(data);
  switch (framer_->state()) {
    case Framer::State::kHead:
      break;
    case Framer::State::kBody:
      is_answer_ = false;
      if (ask_for_body) Send("HTTP/1.1 100 Continue\r\n\r\n");
      break;
    case Framer::State::kRefused:
      TakeHead();
      Refuse(framer_->reason());
      break;
    case Framer::State::kHeadDone:
    case Framer::State::kComplete:
      TakeHead();
      unread_ = framer_->state() == Framer::State::kHeadDone && framer_->head().HasBody();
      if (request_.path.empty()) {
        Refuse(v1::MALFORMED_REQUEST);
      } else if (over_limit_) {
        Refuse(v1::UNAVAILABLE);
      } else {
        request_.body = std::move(framer_->body());
        Handle();
      }
      break;
  }
}

bool Connection::ReadsBody() {
  TakeHead();
  const auto& paths = loop_.server.options.body_paths;
  return !over_limit_ && MethodHasBody(request_.method) &&
         std::find(paths.begin(), paths.end(), request_.path) != paths.end();
}

void Connection::TakeHead() {
  if (std::exchange(head_taken_, true)) return;
  RequestHead& head = framer_->head();
  request_.method = head.method;
  request_.headers = std::move(head.headers);
  if (head.target.empty()) return;
  if (head.target != loop_.last_target) {
    loop_.last_path = loop_.server.targets.PathOf(head.target).value_or("");
    loop_.last_target = head.target;
  }
  request_.path = loop_.last_path;
  if (const std::size_t mark = head.target.find('?'); mark != std::string::npos) {
    request_.query = head.target.substr(mark + 1);
  }
}

void Connection::Handle() {
  state_ = State::kHandling;
  SetHandling(true);
  reply_ = std::make_shared<Reply>(loop_.mailbox, this);
  // Kept beyond the call, whatever becomes of this connection in it.
  const std::shared_ptr<Reply> reply = reply_;
  loop_.mailbox->set_current(reply.get());
  try {
    loop_.server.handler.Handle(request_,
                                [reply = reply](Response response) { Mailbox::Deliver(reply, std::move(response)); });
  } catch (...) {
    Mailbox::Deliver(reply, loop_.server.handler.Refuse(request_, v1::INTERNAL));
  }
  loop_.mailbox->set_current(nullptr);
  if (reply->inline_answer) {
    TakeAnswer();
  } else {
    SetDeadline(since_ + loop_.server.options.request_timeout);
  }
}

void Connection::TakeAnswer() {
  const std::shared_ptr<Reply> reply = std::exchange(reply_, nullptr);
  reply->connection = nullptr;
  Answer(reply->response);
}

void Connection::Refuse(v1::ErrorReason reason) {
  unread_ = true;
  Answer(loop_.server.handler.Refuse(request_, reason));
}

void Connection::Answer(const Response& response) {
  SetHandling(false);
  const bool close = unread_ || response.close || !framer_->head().keep_alive || MustClose();
  WriteOptions options;
  options.without_body = request_.method == "HEAD";
  options.close = close;
  options.say_keep_alive = framer_->head().minor_version == 0 && framer_->head().keep_alive;
  options.date = loop_.woke_date;
  loop_.write_buffer.clear();
  WriteResponse(response, options, loop_.write_buffer);
  is_answer_ = true;
  close_after_ = close;
  Send(loop_.write_buffer);
}

void Connection::Send(std::string_view data) {
  while (!data.empty()) {
    const IoResult result = transport_->Write(data);
    if (result.status == IoStatus::kClosed) return Close();
    if (result.status == IoStatus::kWouldBlock) {
      output_.assign(data);
      output_done_ = 0;
      state_ = State::kWriting;
      SetDeadline(Clock::now() + loop_.server.options.request_timeout);
      return;
    }
    data.remove_prefix(result.count);
  }
  OnSent();
}

bool Connection::WriteStep() {
  const std::string_view data = std::string_view(output_).substr(output_done_);
  const IoResult result = transport_->Write(data);
  if (result.status == IoStatus::kWouldBlock) return false;
  if (result.status == IoStatus::kClosed) {
    Close();
    return false;
  }
  output_done_ += result.count;
  if (output_done_ == output_.size()) {
    output_ = std::string();
    OnSent();
  }
  return true;
}

void Connection::OnSent() {
  if (!is_answer_) {
    state_ = State::kReading;
    return;
  }
  served_ = true;
  if (!close_after_) return AwaitRequest();
  transport_->EndWriting();
  // Closing a socket with unread input sends a reset, which may destroy the answer before the client has read it.
  if (!unread_ && !readable_ && input_.empty()) return Close();
  state_ = State::kLingering;
  input_ = std::string();
  SetDeadline(Clock::now() + kLingerTime);
}

bool Connection::LingerStep() {
  if (!readable_) return false;
  const IoResult result = transport_->Read(loop_.read_buffer.data(), loop_.read_buffer.size());
  readable_ = result.status == IoStatus::kOk && (!result.drained || peer_ended_);
  discarded_ += result.count;
  if (result.status == IoStatus::kClosed || discarded_ > kLingerBytes) {
    Close();
    return false;
  }
  return true;
}

void Connection::AwaitRequest() {
  state_ = State::kReading;
  framer_.reset();
  head_taken_ = false;
  request_.method.clear();
  request_.path.clear();
  request_.query.clear();
  request_.headers.clear();
  request_.body = std::string();
  since_ = loop_.woke;
}

bool Connection::AwaitBytes() {
  const ServerOptions& options = loop_.server.options;
  SteadyTime deadline = since_ + options.request_timeout;
  if (idle()) {
    deadline = since_ + (served_ ? options.idle_timeout : options.header_timeout);
    if (loop_.server.draining) deadline = std::min(deadline, Clock::now() + kDrainPatience);
  } else if (framer_->state() == Framer::State::kHead) {
    deadline = std::min(deadline, since_ + options.header_timeout);
  }
  if (over_limit_) deadline = std::min(deadline, since_ + kOverLimitPatience);
  SetDeadline(deadline);
  return false;
}

}  // namespace livekit::token::http
