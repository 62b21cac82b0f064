#include "http/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "http/response_writer.h"

namespace livekit::token::http {
namespace {

using Clock = std::chrono::steady_clock;

// Requests that a connection may have answered while others wait for a thread.
constexpr int kFairShare = 100;
// How long, and how much, is read from a client that goes on sending after its last answer.
constexpr std::chrono::milliseconds kLingerTime{1000};
constexpr std::size_t kLingerBytes = 1 << 20;

bool MethodHasBody(std::string_view method) { return method == "POST" || method == "PUT" || method == "PATCH"; }

}  // namespace

Connection::Connection(Accepted accepted, ConnectionContext& context)
    : context_(context), fd_(std::move(accepted.fd)), peer_address_(std::move(accepted.peer_address)) {}

void Connection::Serve() {
  while (ServeOne()) ++served_;
  if (unread_) Linger();
}

bool Connection::ServeOne() {
  if (input_.empty() && WaitForRequest() != WaitResult::kOk) return false;
  const auto start = Clock::now();
  const auto deadline = start + context_.options.request_timeout;
  Framer framer(
      {context_.options.max_header_bytes, context_.options.max_header_lines, context_.options.max_body_bytes});

  const WaitResult head_result = ReadUntilDone(framer, std::min(deadline, start + context_.options.header_timeout));
  // Nothing but empty lines, as some clients send behind a body.
  if (head_result != WaitResult::kOk && framer.empty()) return false;
  Request request;
  request.method = framer.head().method;
  request.peer_address = peer_address_;
  if (head_result == WaitResult::kTimeout) return Refuse(request, v1::REQUEST_TIMEOUT);
  if (head_result == WaitResult::kClosed) return Refuse(request, v1::MALFORMED_REQUEST);

  const auto path = framer.head().target.empty() ? std::nullopt : context_.path_of(framer.head().target);
  request.path = path.value_or("");
  request.headers = std::move(framer.head().headers);
  if (framer.state() == Framer::State::kRefused) return Refuse(request, framer.reason());
  if (!path) return Refuse(request, v1::MALFORMED_REQUEST);

  const auto& body_paths = context_.options.body_paths;
  const bool reads_body = MethodHasBody(request.method) &&
                          std::find(body_paths.begin(), body_paths.end(), request.path) != body_paths.end();
  if (framer.state() == Framer::State::kHeadDone && reads_body) {
    framer.ReadBody();
    if (framer.head().expects_continue && framer.state() == Framer::State::kBody && input_.empty() &&
        WriteAll(fd_.get(), deadline, "HTTP/1.1 100 Continue\r\n\r\n") != WaitResult::kOk) {
      return false;
    }
    const WaitResult body_result = ReadUntilDone(framer, deadline);
    if (framer.state() == Framer::State::kRefused) return Refuse(request, framer.reason());
    if (body_result == WaitResult::kTimeout) return Refuse(request, v1::REQUEST_TIMEOUT);
    if (body_result == WaitResult::kClosed) return Refuse(request, v1::MALFORMED_REQUEST);
    request.body = std::move(framer.body());
  }
  const bool body_unread = framer.state() == Framer::State::kHeadDone && framer.head().HasBody();
  return Answer(framer, std::move(request), deadline, body_unread);
}

WaitResult Connection::WaitForRequest() {
  const auto now = Clock::now();
  idle_since_ = now.time_since_epoch().count();
  // Set before this look at `draining`: whoever drains sets that first and then looks for idle connections, so that one
  // of the two sees the other.
  const bool hurry = context_.draining || (served_ != 0 && context_.discouraged);
  const auto patience = served_ == 0 ? context_.options.header_timeout : context_.options.idle_timeout;
  const WaitResult result = ReadSome(fd_.get(), hurry ? now : now + patience, input_);
  idle_since_ = 0;
  return result;
}

WaitResult Connection::ReadUntilDone(Framer& framer, SteadyTime deadline) {
  for (;;) {
    input_.erase(0, framer.Feed(input_));
    if (framer.state() != Framer::State::kHead && framer.state() != Framer::State::kBody) return WaitResult::kOk;
    const WaitResult result = ReadSome(fd_.get(), deadline, input_);
    if (result != WaitResult::kOk) return result;
  }
}

bool Connection::Answer(Framer& framer, Request request, SteadyTime deadline, bool body_unread) {
  const bool is_head = request.method == "HEAD";
  // What Refuse needs if the answer does not come; a body is not part of it.
  Request summary;
  summary.method = request.method;
  summary.path = request.path;
  summary.headers = request.headers;
  summary.peer_address = request.peer_address;

  const std::uint64_t number = mailbox_->Expect();
  try {
    context_.handler.Handle(std::move(request), [mailbox = mailbox_, number](Response response) {
      mailbox->Deliver(number, std::move(response));
    });
  } catch (...) {
    mailbox_->Deliver(number, context_.handler.Refuse(summary, v1::INTERNAL));
  }
  std::optional<Response> response = mailbox_->Wait(deadline);
  if (!response) response = context_.handler.Refuse(summary, v1::DEADLINE_EXCEEDED);

  unread_ = body_unread;
  const bool keep_alive = framer.head().keep_alive;
  const bool close = body_unread || response->close || !keep_alive || MustClose();
  return Write(*response, is_head, close, keep_alive && framer.head().minor_version == 0) && !close;
}

bool Connection::Refuse(const Request& request, v1::ErrorReason reason) {
  unread_ = true;
  Write(context_.handler.Refuse(request, reason), request.method == "HEAD", true, false);
  return false;
}

bool Connection::Write(const Response& response, bool without_body, bool close, bool say_keep_alive) {
  WriteOptions options;
  options.without_body = without_body;
  options.close = close;
  options.say_keep_alive = say_keep_alive;
  options.date = SystemClock().Now();
  const auto deadline = Clock::now() + context_.options.request_timeout;
  return WriteAll(fd_.get(), deadline, WriteResponse(response, options)) == WaitResult::kOk;
}

bool Connection::MustClose() const {
  return context_.discouraged || context_.draining || (context_.crowded && served_ >= kFairShare);
}

void Connection::Linger() {
  // Closing a socket with unread input sends a reset, which may destroy the answer before the client has read it.
  shutdown(fd_.get(), SHUT_WR);
  const auto deadline = Clock::now() + kLingerTime;
  std::size_t total = 0;
  while (total < kLingerBytes) {
    input_.clear();
    if (ReadSome(fd_.get(), deadline, input_) != WaitResult::kOk) return;
    total += input_.size();
  }
}

void Connection::StopReading() { shutdown(fd_.get(), SHUT_RD); }

void Connection::Abort() {
  // In this order, so that no answer is begun that could not be finished.
  shutdown(fd_.get(), SHUT_RDWR);
  mailbox_->Abort();
}

}  // namespace livekit::token::http
