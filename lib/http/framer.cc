#include "http/framer.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace livekit::token::http {
namespace {

// Of a chunk-size line with extensions, which nobody sends and everybody has to skip.
constexpr std::size_t kMaxChunkLineBytes = 256;
// Of one without extensions: 16 digits and the line end.
constexpr std::size_t kPlainChunkLineBytes = 18;

void SkipSpace(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

bool Skip(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

bool SkipToken(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), IsTokenCharacter);
  const bool any = end != text.begin();
  text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
  return any;
}

// RFC 9110 section 5.6.4.
bool SkipQuotedString(std::string_view& text) {
  if (!Skip(text, '"')) return false;
  while (!text.empty()) {
    if (Skip(text, '"')) return true;
    Skip(text, '\\');
    if (text.empty() || !IsFieldValueCharacter(text.front())) return false;
    text.remove_prefix(1);
  }
  return false;
}

// RFC 9112 section 7.1.1. Nothing here knows an extension, but one that is not well-formed may be a line end or a chunk
// to another reader.
bool AreChunkExtensions(std::string_view text) {
  while (!text.empty()) {
    SkipSpace(text);
    if (!Skip(text, ';')) return false;
    SkipSpace(text);
    if (!SkipToken(text)) return false;
    std::string_view rest = text;
    SkipSpace(rest);
    if (!Skip(rest, '=')) continue;
    SkipSpace(rest);
    if (!SkipToken(rest) && !SkipQuotedString(rest)) return false;
    text = rest;
  }
  return true;
}

// Trailers are dropped, but a reader further on might take these for headers (RFC 9110 section 6.5.1).
bool IsTrailer(const std::optional<FieldLine>& field) {
  if (!field) return false;
  for (const std::string_view name : {"content-length", "host", "transfer-encoding"}) {
    if (EqualsIgnoreCase(field->name, name)) return false;
  }
  return true;
}

}  // namespace

std::size_t Framer::Feed(std::string_view data) {
  std::size_t taken = 0;
  while (taken < data.size()) {
    const std::string_view rest = data.substr(taken);
    if (state_ == State::kHead) {
      taken += FeedHead(rest);
    } else if (state_ == State::kBody) {
      taken += FeedBody(rest);
    } else {
      break;
    }
  }
  return taken;
}

void Framer::Refuse(v1::ErrorReason reason) {
  state_ = State::kRefused;
  reason_ = reason;
}

std::size_t Framer::FeedHead(std::string_view data) {
  if (text_.empty()) {
    // RFC 9112 section 2.2: an empty line before a request is ignored; old clients send one after a body.
    const bool is_line_begun = skipped_ % 2 == 1;
    if (data.front() == (is_line_begun ? '\n' : '\r')) {
      if (++skipped_ > limits_.max_header_bytes) Refuse(v1::HEADERS_TOO_LARGE);
      return 1;
    }
    // Such as TLS to a port that does not speak it, or JSON alone: an answer at once helps more than a timeout.
    if (is_line_begun || !IsTokenCharacter(data.front())) {
      Refuse(v1::MALFORMED_REQUEST);
      return 1;
    }
  }
  const std::size_t old_size = text_.size();
  const std::size_t room = limits_.max_header_bytes - std::min(old_size, limits_.max_header_bytes);
  text_.append(data.substr(0, room));
  const std::size_t from = old_size - std::min<std::size_t>(old_size, 3);
  const std::size_t end = text_.find("\r\n\r\n", from);
  const std::size_t used = end == std::string::npos ? text_.size() : end + 4;
  // A client that ends lines with LF alone would otherwise wait for an answer until it is timed out.
  for (std::size_t lf = text_.find('\n', old_size); lf < used; lf = text_.find('\n', lf + 1)) {
    if (lf == 0 || text_[lf - 1] != '\r') {
      Refuse(v1::MALFORMED_REQUEST);
      return used - old_size;
    }
  }
  if (end == std::string::npos) {
    if (text_.size() >= limits_.max_header_bytes) Refuse(v1::HEADERS_TOO_LARGE);
    return used - old_size;
  }
  text_.resize(used);
  if (const auto reason = ParseHead(text_, limits_.max_header_lines, head_)) {
    Refuse(*reason);
  } else {
    state_ = head_.HasBody() ? State::kHeadDone : State::kComplete;
    // An encoded body of no bytes is still refused, by ReadBody.
    if (head_.has_content_encoding) state_ = State::kHeadDone;
  }
  return used - old_size;
}

void Framer::ReadBody() {
  if (head_.has_content_encoding) return Refuse(v1::UNSUPPORTED_MEDIA_TYPE);
  text_.clear();
  if (head_.chunked) {
    part_ = Part::kChunkSize;
    state_ = State::kBody;
    return;
  }
  left_ = head_.content_length.value_or(0);
  if (left_ > limits_.max_body_bytes) return Refuse(v1::BODY_TOO_LARGE);
  body_.reserve(left_);
  state_ = left_ == 0 ? State::kComplete : State::kBody;
}

std::size_t Framer::FeedBody(std::string_view data) {
  bool line_done = false;
  switch (part_) {
    case Part::kLength:
    case Part::kChunkData: {
      const std::size_t size = std::min<std::uint64_t>(left_, data.size());
      body_.append(data.substr(0, size));
      left_ -= size;
      if (left_ == 0) {
        if (part_ == Part::kLength) {
          state_ = State::kComplete;
        } else {
          part_ = Part::kChunkEnd;
        }
      }
      return size;
    }
    case Part::kChunkSize: {
      const std::size_t taken = FeedLine(data, kMaxChunkLineBytes, v1::MALFORMED_REQUEST, line_done);
      if (line_done) EndChunkSizeLine();
      return taken;
    }
    case Part::kChunkEnd: {
      const std::size_t taken = FeedLine(data, 2, v1::MALFORMED_REQUEST, line_done);
      if (line_done) {
        text_.clear();
        part_ = Part::kChunkSize;
      }
      return taken;
    }
    case Part::kTrailer: {
      const std::size_t max_bytes = limits_.max_header_bytes - std::min(trailer_bytes_, limits_.max_header_bytes);
      const std::size_t taken = FeedLine(data, max_bytes, v1::HEADERS_TOO_LARGE, line_done);
      if (line_done) EndTrailerLine();
      return taken;
    }
  }
  return 0;
}

std::size_t Framer::FeedLine(std::string_view data, std::size_t max_bytes, v1::ErrorReason too_long, bool& line_done) {
  const std::size_t lf = data.find('\n');
  const std::size_t size = lf == std::string_view::npos ? data.size() : lf + 1;
  if (text_.size() + size > max_bytes) {
    Refuse(too_long);
    return size;
  }
  text_.append(data.substr(0, size));
  if (lf == std::string_view::npos) return size;
  if (text_.size() < 2 || text_[text_.size() - 2] != '\r') {
    Refuse(v1::MALFORMED_REQUEST);
    return size;
  }
  line_done = true;
  return size;
}

void Framer::EndChunkSizeLine() {
  std::uint64_t size = 0;
  const char* const begin = text_.data();
  const char* const end = begin + text_.size() - 2;
  const auto result = std::from_chars(begin, end, size, 16);
  const std::string_view extensions(result.ptr, static_cast<std::size_t>(end - result.ptr));
  if (result.ec != std::errc{} || !AreChunkExtensions(extensions)) return Refuse(v1::MALFORMED_REQUEST);
  // A chunk may have one byte: without this a small body could come with megabytes of extensions and zeros.
  chunk_overhead_ += text_.size() - std::min(text_.size(), kPlainChunkLineBytes);
  if (chunk_overhead_ > limits_.max_header_bytes) return Refuse(v1::MALFORMED_REQUEST);
  text_.clear();
  if (size > limits_.max_body_bytes - body_.size()) return Refuse(v1::BODY_TOO_LARGE);
  left_ = size;
  part_ = size == 0 ? Part::kTrailer : Part::kChunkData;
}

void Framer::EndTrailerLine() {
  const std::string_view line(text_.data(), text_.size() - 2);
  if (line.empty()) {
    state_ = State::kComplete;
    return;
  }
  if (!IsTrailer(ParseFieldLine(line))) return Refuse(v1::MALFORMED_REQUEST);
  if (++trailer_lines_ > limits_.max_header_lines) return Refuse(v1::HEADERS_TOO_LARGE);
  trailer_bytes_ += text_.size();
  text_.clear();
}

}  // namespace livekit::token::http
