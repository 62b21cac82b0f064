#include "service/line_writer.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace livekit::token {
namespace {

// How long the thread looks at a descriptor that takes nothing before it looks at everything else.
constexpr std::chrono::milliseconds kSlice{20};
constexpr std::chrono::milliseconds kLastFlush{1000};
// How long lines that nobody waits for gather, so that a busy program does not wake the thread for each.
constexpr std::chrono::milliseconds kGather{20};

// Of memory that is kept for further lines, and the least that is worth it. Memory that one thread takes and another
// frees costs both: the allocator's lock, and soon the kernel, which gets it back and hands it out anew.
constexpr std::size_t kMaxSpareBytes = 2 * 1024 * 1024;
constexpr std::size_t kLeastSpareBytes = PIPE_BUF;

// A record, or lines that came one after the other: as many as one write takes.
struct Entry {
  std::string_view view() const { return std::string_view(text).substr(begin); }

  std::string text;         // every line with its end
  std::size_t begin = 0;    // of the first line that was not dropped
  std::size_t lines = 1;    // from there; of a record always 1
  LineWriter::Done done{};  // null: no record
  LineWriter::Clock::time_point deadline{};
  std::uint64_t number = 0;  // of the first of them
};

// What one write takes. A pipe that is writable takes PIPE_BUF bytes at once; more could block after a part of them.
std::size_t WriteSize(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? 16 * PIPE_BUF : PIPE_BUF;
}

// What records are to hear, without the lock.
class Outcomes {
 public:
  void Add(Entry& entry, bool written) {
    if (entry.done) calls_.emplace_back(std::move(entry.done), written);
  }
  bool empty() const { return calls_.empty(); }
  void Tell() {
    for (const auto& [done, written] : calls_) done(written);
    calls_.clear();
  }

 private:
  std::vector<std::pair<LineWriter::Done, bool>> calls_;
};

}  // namespace

struct LineWriter::State {
  State(int descriptor, LineWriterOptions o) : options(o), write_size(WriteSize(descriptor)), fd(descriptor) {
    spare.reserve(kMaxSpareBytes / kLeastSpareBytes);  // so that to keep memory takes none
  }
  ~State() {
    close(fd);
    if (next_fd >= 0) close(next_fd);
  }

  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // The thread. Functions are called with the lock unless they say otherwise.
  void Run();
  // Waits for something to do. False if there is nothing any more.
  bool Await(std::unique_lock<std::mutex>& lock);
  // Takes from the queue what makes up one write.
  void TakeBatch(Clock::time_point now, Outcomes& outcomes);
  // Writes the rest of the batch or a part of it, without the lock. False if it failed.
  bool WriteOnce();
  // Ends the batch, whether or not all of it has been written.
  void EndBatch(Outcomes& outcomes);
  // Gives up the records whose time is over.
  void Expire(Clock::time_point now, Outcomes& outcomes);

  bool Full(std::size_t size) const {
    return queue_lines >= options.max_lines || queue_bytes + size > options.max_bytes;
  }
  void Push(std::string_view line, Done done, Clock::time_point deadline);
  bool DropOldest();
  // Has the thread write what waits without gathering more.
  void Hurry() {
    if (!std::exchange(hurry, true)) work.notify_one();
  }
  void Fail(Entry& entry, Outcomes& outcomes) {
    dropped += entry.lines;
    outcomes.Add(entry, false);
  }
  // Notes that the entry is no longer in the queue.
  void Leaves(const Entry& entry) {
    queue_bytes -= entry.view().size();
    queue_lines -= entry.lines;
  }
  // An empty text, with memory if there is some to spare.
  std::string TakeMemory();
  void KeepMemory(std::string text);
  void FailAll(Outcomes& outcomes);
  // Number of the oldest line that is neither written nor dropped.
  std::uint64_t Oldest() const {
    return !batch.empty() ? batch.front().number : !queue.empty() ? queue.front().number : next_number;
  }

  const LineWriterOptions options;
  std::atomic<std::uint64_t> dropped{0};

  std::mutex mutex;
  std::condition_variable work;     // for the thread
  std::condition_variable settled;  // for those who flush
  // Guarded by mutex.
  std::deque<Entry> queue;
  std::size_t queue_bytes = 0;
  std::size_t queue_lines = 0;
  std::uint64_t next_number = 0;
  std::vector<Entry> batch;
  std::vector<Entry> abandoned;    // what the thread was writing when everything was given up
  std::vector<std::string> spare;  // empty ones, whose memory is used again
  std::size_t spare_bytes = 0;
  std::size_t write_size;  // changed by the thread alone, which may read it without the mutex
  bool hurry = false;      // until the queue is empty
  int next_fd = -1;
  bool stopping = false;
  Clock::time_point stop_by{};
  bool ended = false;

  // Of the thread.
  int fd;
  std::string bytes;         // of a batch of more than one entry
  std::string_view pending;  // all bytes of the batch
  std::size_t written = 0;   // of those
  bool mid_line = false;     // the last byte that was written ended no line
};

void LineWriter::State::Push(std::string_view line, Done done, Clock::time_point deadline) {
  const std::size_t size = line.size() + 1;
  const bool record = done != nullptr;
  const bool joins = !record && !queue.empty() && !queue.back().done && queue.back().text.size() + size <= write_size;
  if (joins) {
    ++queue.back().lines;
    queue.back().text.reserve(write_size);  // where there are two there will be many
  } else {
    queue.push_back({record ? std::string() : TakeMemory(), 0, 1, std::move(done), deadline, next_number});
  }
  queue.back().text.append(line).push_back('\n');
  ++next_number;
  ++queue_lines;
  queue_bytes += size;
  if (queue_lines == 1) work.notify_one();
  if (record || queue_lines >= options.max_lines / 2 || queue_bytes >= options.max_bytes / 2) Hurry();
}

bool LineWriter::State::DropOldest() {
  const auto oldest = std::find_if(queue.begin(), queue.end(), [](const Entry& entry) { return !entry.done; });
  if (oldest == queue.end()) return false;
  const std::size_t size = oldest->view().find('\n') + 1;
  queue_bytes -= size;
  --queue_lines;
  oldest->begin += size;
  ++oldest->number;
  if (--oldest->lines == 0) {
    KeepMemory(std::move(oldest->text));
    queue.erase(oldest);
  }
  ++dropped;
  return true;
}

std::string LineWriter::State::TakeMemory() {
  if (spare.empty()) return {};
  std::string text = std::move(spare.back());
  spare.pop_back();
  spare_bytes -= text.capacity();
  return text;
}

void LineWriter::State::KeepMemory(std::string text) {
  if (text.capacity() < kLeastSpareBytes || spare_bytes + text.capacity() > kMaxSpareBytes) return;
  text.clear();
  spare_bytes += text.capacity();
  spare.push_back(std::move(text));
}

void LineWriter::State::TakeBatch(Clock::time_point now, Outcomes& outcomes) {
  std::size_t size = mid_line ? 1 : 0;
  while (!queue.empty()) {
    Entry& entry = queue.front();
    const bool late = entry.done && entry.deadline <= now;
    if (!late && !batch.empty() && size + entry.view().size() > write_size) break;
    Leaves(entry);
    if (late) {
      Fail(entry, outcomes);
    } else {
      size += entry.view().size();
      batch.push_back(std::move(entry));
    }
    queue.pop_front();
  }
  if (queue.empty()) hurry = false;
  written = 0;
  if (batch.size() == 1 && !mid_line) {
    pending = batch.front().view();
    return;
  }
  bytes.assign(mid_line ? "\n" : "");
  for (const Entry& entry : batch) bytes.append(entry.view());
  pending = bytes;
}

bool LineWriter::State::WriteOnce() {
  std::string_view part = pending.substr(written, write_size);
  // Whole lines: what was joined for a file may have to go into a pipe that was opened meanwhile.
  const std::size_t last_end = part.rfind('\n');
  if (part.size() < pending.size() - written && last_end != part.npos) part = part.substr(0, last_end + 1);
  const ssize_t count = write(fd, part.data(), part.size());
  if (count < 0) {
    if (errno == EINTR) return true;
    if (errno != EAGAIN) return false;
    // Somebody else made the description non-blocking, and poll(2) sees room where there is too little.
    poll(nullptr, 0, static_cast<int>(kSlice.count()));
    return true;
  }
  written += static_cast<std::size_t>(count);
  if (count > 0) mid_line = pending[written - 1] != '\n';
  return count > 0;
}

void LineWriter::State::EndBatch(Outcomes& outcomes) {
  std::size_t end = pending.size();
  for (const Entry& entry : batch) end -= entry.view().size();
  for (Entry& entry : batch) {
    const std::size_t begin = end;
    end += entry.view().size();
    if (written < end) {
      // Of lines those that are there as a whole have been written.
      const std::string_view there = entry.view().substr(0, std::max(written, begin) - begin);
      if (!entry.done) entry.lines -= static_cast<std::size_t>(std::count(there.begin(), there.end(), '\n'));
      Fail(entry, outcomes);
    } else {
      outcomes.Add(entry, true);
    }
    KeepMemory(std::move(entry.text));
  }
  batch.clear();
  pending = {};
  settled.notify_all();
}

void LineWriter::State::Expire(Clock::time_point now, Outcomes& outcomes) {
  const auto late = [now](const Entry& entry) { return entry.done && entry.deadline <= now; };
  if (std::any_of(batch.begin(), batch.end(), late)) EndBatch(outcomes);
  std::erase_if(queue, [&](Entry& entry) {
    if (!late(entry)) return false;
    Leaves(entry);
    Fail(entry, outcomes);
    return true;
  });
  settled.notify_all();
}

void LineWriter::State::FailAll(Outcomes& outcomes) {
  for (Entry& entry : batch) Fail(entry, outcomes);
  for (Entry& entry : queue) Fail(entry, outcomes);
  abandoned.swap(batch);  // the thread may be inside write(2) with its text
  queue.clear();
  queue_bytes = 0;
  queue_lines = 0;
  settled.notify_all();
}

bool LineWriter::State::Await(std::unique_lock<std::mutex>& lock) {
  const auto idle = [this] { return batch.empty() && queue.empty(); };
  while (idle() && !stopping && next_fd < 0) work.wait(lock);
  if (batch.empty() && !queue.empty() && !hurry) {
    work.wait_for(lock, kGather, [this] { return hurry || stopping || next_fd >= 0; });
    hurry = true;
  }
  return !(stopping && (idle() || Clock::now() >= stop_by));
}

void LineWriter::State::Run() {
  // A pipe without reader is an error of write(2), also where SIGPIPE is not ignored.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Outcomes outcomes;
  std::unique_lock lock(mutex);
  while (Await(lock)) {
    if (next_fd >= 0) {
      EndBatch(outcomes);
      close(std::exchange(fd, std::exchange(next_fd, -1)));
      write_size = WriteSize(fd);
      mid_line = false;
      continue;
    }
    lock.unlock();
    pollfd writable{fd, POLLOUT, 0};
    const bool ready = poll(&writable, 1, static_cast<int>(kSlice.count())) > 0;
    lock.lock();
    if (!ready) {
      Expire(Clock::now(), outcomes);
    } else if (batch.empty()) {
      TakeBatch(Clock::now(), outcomes);
    }
    if (ready && !batch.empty()) {
      lock.unlock();
      const bool failed = !WriteOnce();
      lock.lock();
      if (failed || written == pending.size()) EndBatch(outcomes);
    }
    if (outcomes.empty()) continue;
    lock.unlock();
    outcomes.Tell();
    lock.lock();
  }
  EndBatch(outcomes);
  FailAll(outcomes);
  lock.unlock();
  outcomes.Tell();
  lock.lock();
  ended = true;
  settled.notify_all();
}

LineWriter::LineWriter(int fd, LineWriterOptions options)
    : state_(std::make_shared<State>(fd, options)), thread_([state = state_] { state->Run(); }) {}

LineWriter::~LineWriter() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->stop_by = Clock::now() + kLastFlush;
  state_->work.notify_one();
  if (state_->settled.wait_until(lock, state_->stop_by + 2 * kSlice, [this] { return state_->ended; })) {
    lock.unlock();
    thread_.join();
    return;
  }
  // It is inside write(2), and ends when that does.
  Outcomes outcomes;
  state_->FailAll(outcomes);
  lock.unlock();
  outcomes.Tell();
  thread_.detach();
}

void LineWriter::Write(std::string_view line) noexcept {
  try {
    const std::size_t size = line.size() + 1;
    std::lock_guard lock(state_->mutex);
    while (size <= state_->options.max_bytes && state_->Full(size) && state_->DropOldest()) {
    }
    if (!state_->Full(size)) return state_->Push(line, nullptr, {});
  } catch (const std::bad_alloc&) {
  }
  ++state_->dropped;
}

void LineWriter::Record(std::string_view line, Done done) noexcept {
  try {
    std::lock_guard lock(state_->mutex);
    if (!state_->Full(line.size() + 1)) return state_->Push(line, done, Clock::now() + state_->options.patience);
  } catch (const std::bad_alloc&) {
  }
  ++state_->dropped;
  done(false);
}

void LineWriter::Reopen(int fd) {
  std::lock_guard lock(state_->mutex);
  if (state_->next_fd >= 0) close(state_->next_fd);
  state_->next_fd = fd;
  state_->work.notify_one();
}

bool LineWriter::Flush(Clock::time_point deadline) {
  std::unique_lock lock(state_->mutex);
  state_->Hurry();
  return state_->settled.wait_until(lock, deadline, [&, end = state_->next_number] { return state_->Oldest() >= end; });
}

std::uint64_t LineWriter::dropped() const { return state_->dropped; }

}  // namespace livekit::token
