// W3C Trace Context: a request's place in the trace of whoever sent it.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace livekit::token {

// A span of ours and the trace to which it belongs. Always valid, whatever came in: ids are lower-case hexadecimal and
// not all zero, and the state is printable ASCII.
//
// Thread safety: concurrent reads are safe.
class TraceContext {
 public:
  static constexpr std::size_t kMaxTracestateBytes = 512;
  static constexpr int kMaxTracestateMembers = 32;

  // Begins a trace. Its flags are 00: nothing of ours records spans, so that nobody may be told that it was sampled.
  TraceContext();

  // A new span under the one that `traceparents`, the values of all headers of that name, states; a new trace unless
  // there is exactly one of version 00 in its only form (section 3.2.2). Of the flags the two that are defined, sampled
  // and random, are kept. `tracestates`, the values of all headers of that name in their order, are joined by commas
  // and else kept as they are; all are dropped with a new trace, when they are longer than kMaxTracestateBytes, or when
  // they break the rules of section 3.3 (keys, values, a key that occurs twice, too many members).
  static TraceContext Continue(std::span<const std::string_view> traceparents,
                               std::span<const std::string_view> tracestates);

  // The id of the trace that a traceparent states, as Continue has it; nothing if that would begin a new one.
  static std::optional<std::string_view> TraceIdIn(std::string_view traceparent);

  std::string_view trace_id() const { return {text_.data() + 3, 32}; }
  // Ours.
  std::string_view span_id() const { return {text_.data() + 36, 16}; }
  // Of whoever sent the request; empty if the trace begins with us.
  std::string_view parent_span_id() const { return {parent_.data(), continued_ ? parent_.size() : 0}; }
  // For those whom we ask, who are below our span.
  std::string_view traceparent() const { return {text_.data(), text_.size()}; }
  const std::string& tracestate() const { return tracestate_; }

 private:
  // Of the form of a traceparent; the span in it is replaced by ours.
  explicit TraceContext(std::string_view parent);

  std::array<char, 55> text_;  // as a traceparent
  std::array<char, 16> parent_{};
  bool continued_ = false;
  std::string tracestate_;
};

}  // namespace livekit::token
