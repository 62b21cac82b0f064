// Cuts a stream of bytes into requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/request_head.h"
#include "livekit/token/v1/errors.pb.h"

namespace livekit::token::http {

// Sizes of a request; nothing beyond them is kept.
struct FramerLimits {
  std::size_t max_header_bytes = 16384;  // request line, header lines and, again, the trailers of a chunked body
  std::size_t max_header_lines = 100;    // of the head and, again, of the trailers
  std::size_t max_body_bytes = 65536;
};

// Reads one request from bytes as they come. Has no socket and no clock: whoever feeds it has both.
class Framer {
 public:
  enum class State {
    kHead,      // more bytes of the head are needed
    kHeadDone,  // the head is there; call ReadBody, or leave the body where it is
    kBody,      // more bytes of the body are needed
    kComplete,  // the request is complete
    kRefused,   // see reason(); the end of this request cannot be found any more
  };

  explicit Framer(const FramerLimits& limits) : limits_(limits) {}

  // Takes bytes from the front of `data` and returns how many. Takes none in the states kHeadDone, kComplete and
  // kRefused.
  std::size_t Feed(std::string_view data);

  // Starts reading the body, in state kHeadDone. Refuses one that is encoded or announced as too large.
  void ReadBody();

  State state() const { return state_; }
  v1::ErrorReason reason() const { return reason_; }
  // Whether no byte of a request has come; empty lines before a request do not count.
  bool empty() const { return text_.empty() && state_ == State::kHead; }
  // Understood so far in state kRefused; whole from kHeadDone on.
  RequestHead& head() { return head_; }
  std::string& body() { return body_; }

 private:
  enum class Part { kLength, kChunkSize, kChunkData, kChunkEnd, kTrailer };

  void Refuse(v1::ErrorReason reason);
  std::size_t FeedHead(std::string_view data);
  std::size_t FeedBody(std::string_view data);
  // Adds to text_ until it is a line; returns how many bytes were taken. `line_done` tells whether it is one.
  std::size_t FeedLine(std::string_view data, std::size_t max_bytes, v1::ErrorReason too_long, bool& line_done);
  void EndChunkSizeLine();
  void EndTrailerLine();

  const FramerLimits limits_;
  State state_ = State::kHead;
  v1::ErrorReason reason_ = v1::INTERNAL;
  std::size_t skipped_ = 0;  // bytes of empty lines before the request
  std::string text_;         // of the head, or of the current line in a chunked body
  RequestHead head_;
  Part part_ = Part::kLength;
  std::uint64_t left_ = 0;          // bytes of the body or chunk that have not come yet
  std::size_t chunk_overhead_ = 0;  // bytes of chunk-size lines beyond what sizes need
  std::size_t trailer_bytes_ = 0;
  std::size_t trailer_lines_ = 0;
  std::string body_;
};

}  // namespace livekit::token::http
