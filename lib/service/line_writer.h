// Lines of text to a descriptor that may block, by a thread of their own.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>

namespace livekit::token {

struct LineWriterOptions {
  std::size_t max_lines = 8192;              // that wait
  std::size_t max_bytes = 8 * 1024 * 1024;   // of the lines that wait, with their ends
  std::chrono::milliseconds patience{1000};  // for a record to be written
};

// Writes lines in the order in which they came. Callers never wait: lines wait in a bounded queue, and lines that could
// not be written are counted, not tried again. What comes after half a line, as a full disk leaves it, begins on a line
// of its own. Lines of at most 4,096 bytes are not mixed with those of other processes that write to the same pipe.
//
// Thread safety: all methods may be called concurrently.
class LineWriter {
 public:
  using Clock = std::chrono::steady_clock;
  using Done = std::function<void(bool written)>;

  // `fd` is owned from now on. It should block: nothing is ever set on it, since others may share its description.
  explicit LineWriter(int fd, LineWriterOptions options = {});
  // Flushes for at most a second; records that are then left hear that they were not written.
  ~LineWriter();

  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // `line` is without line end. If the queue is full, the oldest line that is no record is dropped for it.
  void Write(std::string_view line) noexcept;

  // A line that is never dropped for another. `done` is called exactly once, here or in the writer's thread, and must
  // neither throw nor block: with true once write(2) has taken all of the line, with false if the queue is full, if
  // writing failed, or if the line could not be written within the options' patience; it may then stand there in part,
  // but not as a whole. A write(2) that does not return, as on a hanging disk, keeps `done` waiting.
  void Record(std::string_view line, Done done) noexcept;

  // Writes to `fd`, owned from now on, what has not been written yet, and closes the former descriptor; both happens
  // soon, in the writer's thread.
  void Reopen(int fd);

  // Waits until every line that came before has been written or dropped, at most until `deadline`. Whether it has.
  bool Flush(Clock::time_point deadline);

  // Lines that were not written so far, records that were refused among them.
  std::uint64_t dropped() const;

 private:
  struct State;

  const std::shared_ptr<State> state_;  // the thread's too, which may have to be left behind in write(2)
  std::thread thread_;
};

}  // namespace livekit::token
