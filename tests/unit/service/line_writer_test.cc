#include "service/line_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <future>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Clock = LineWriter::Clock;

constexpr milliseconds kLong{10'000};

// A pipe that holds one page, whose reader is the test.
class Pipe {
 public:
  // With the flag O_DIRECT every read gives what one write has written.
  explicit Pipe(int flags = 0) {
    EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC | flags), 0);
    EXPECT_EQ(fcntl(ends_[1], F_SETPIPE_SZ, PIPE_BUF), PIPE_BUF);
  }
  ~Pipe() {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int TakeWriteEnd() { return std::exchange(ends_[1], -1); }

  // Leaves room for nothing until somebody reads.
  Pipe& Fill() {
    const std::string line = std::string(PIPE_BUF - 1, '-') + '\n';
    EXPECT_EQ(write(ends_[1], line.data(), line.size()), PIPE_BUF);
    return *this;
  }

  // Lines until the writer is gone, without those of Fill.
  std::vector<std::string> ReadAll() {
    std::string text;
    std::array<char, 65536> part;
    ssize_t count = 0;
    while ((count = read(ends_[0], part.data(), part.size())) > 0) text.append(part.data(), count);
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
      if (!line.starts_with("--")) lines.push_back(line);
    }
    EXPECT_TRUE(text.empty() || text.back() == '\n');
    return lines;
  }

  // What each read gives until the writer is gone, without that of Fill.
  std::vector<std::string> ReadParts() {
    std::vector<std::string> parts;
    std::array<char, 65536> part;
    ssize_t count = 0;
    while ((count = read(ends_[0], part.data(), part.size())) > 0) {
      if (part[0] != '-') parts.emplace_back(part.data(), count);
    }
    return parts;
  }

  std::future<std::vector<std::string>> ReadAllAside() {
    return std::async(std::launch::async, [this] { return ReadAll(); });
  }

 private:
  std::array<int, 2> ends_{};
};

// What a record heard.
struct Heard {
  std::promise<bool> promise;
  std::atomic<int> calls{0};

  LineWriter::Done Done() {
    return [this](bool written) {
      if (++calls == 1) promise.set_value(written);
    };
  }
  bool Get() {
    auto future = promise.get_future();
    EXPECT_EQ(future.wait_for(kLong), std::future_status::ready);
    return future.get();
  }
};

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(LineWriter, KeepsTheOrderOfEachCaller) {
  constexpr int kCallers = 4;
  constexpr int kLines = 1'000;
  Pipe pipe;
  auto read = pipe.ReadAllAside();
  {
    LineWriter writer(pipe.TakeWriteEnd());
    std::vector<std::thread> callers;
    for (int caller = 0; caller < kCallers; ++caller) {
      callers.emplace_back([&writer, caller] {
        for (int i = 0; i < kLines; ++i) writer.Write(std::to_string(caller) + ' ' + std::to_string(i));
      });
    }
    for (auto& caller : callers) caller.join();
    EXPECT_TRUE(writer.Flush(Clock::now() + kLong));
    EXPECT_EQ(writer.dropped(), 0u);
  }
  const auto lines = read.get();
  EXPECT_THAT(lines, SizeIs(kCallers * kLines));
  std::array<int, kCallers> next{};
  for (const auto& line : lines) {
    const int caller = line.at(0) - '0';
    EXPECT_EQ(line, std::to_string(caller) + ' ' + std::to_string(next.at(caller)++));
  }
}

// More than its memory for lines, so that all of that is used again and again.
TEST(LineWriter, WritesMegabytesToAFileAsTheyCame) {
  const std::string path = ::testing::TempDir() + "lines-" + std::to_string(getpid());
  std::string expected;
  {
    LineWriter writer(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    for (int i = 0; i < 40'000; ++i) {
      // Of all sizes, now and then one that is longer than a write.
      const std::size_t size = i % 1000 == 999 ? 100'000 : static_cast<std::size_t>(i % 200);
      const std::string line = std::to_string(i) + std::string(size, 'x');
      writer.Write(line);
      expected.append(line).push_back('\n');
      if (i % 4'000 == 3'999) {
        ASSERT_TRUE(writer.Flush(Clock::now() + kLong));
      }
    }
    EXPECT_EQ(writer.dropped(), 0u);
  }
  EXPECT_TRUE(ReadFile(path) == expected);  // too long to be shown
  unlink(path.c_str());
}

TEST(LineWriter, DropsTheOldestLinesInTheMiddleOfOthers) {
  Pipe pipe;
  std::future<std::vector<std::string>> read;
  {
    LineWriter writer(pipe.Fill().TakeWriteEnd(), {.max_lines = 500});
    for (int i = 0; i < 5'000; ++i) writer.Write(std::to_string(i));
    EXPECT_EQ(writer.dropped(), 4'500u);
    read = pipe.ReadAllAside();
    EXPECT_TRUE(writer.Flush(Clock::now() + kLong));
    EXPECT_EQ(writer.dropped(), 4'500u);
  }
  const auto lines = read.get();
  ASSERT_THAT(lines, SizeIs(500));
  for (int i = 0; i < 500; ++i) EXPECT_EQ(lines[static_cast<std::size_t>(i)], std::to_string(4'500 + i));
}

TEST(LineWriter, DropsTheOldestLinesWhileNobodyReads) {
  Pipe pipe;
  std::future<std::vector<std::string>> read;
  {
    LineWriter writer(pipe.Fill().TakeWriteEnd(), {.max_lines = 3});
    for (int i = 0; i < 10; ++i) writer.Write(std::to_string(i));
    EXPECT_EQ(writer.dropped(), 7u);
    read = pipe.ReadAllAside();
    EXPECT_TRUE(writer.Flush(Clock::now() + kLong));
    writer.Write("10");
  }
  EXPECT_THAT(read.get(), ElementsAre("7", "8", "9", "10"));
}

TEST(LineWriter, BoundsTheBytesThatWait) {
  Pipe pipe;
  std::future<std::vector<std::string>> read;
  {
    LineWriter writer(pipe.Fill().TakeWriteEnd(), {.max_bytes = 13});
    writer.Write("aaaa");
    writer.Write("bbbb");
    writer.Write("cc");
    EXPECT_EQ(writer.dropped(), 0u);
    writer.Write("d");
    EXPECT_EQ(writer.dropped(), 1u);
    writer.Write(std::string(13, 'e'));  // which has no room even alone
    EXPECT_EQ(writer.dropped(), 2u);
    writer.Write("f");
    read = pipe.ReadAllAside();
  }
  EXPECT_THAT(read.get(), ElementsAre("bbbb", "cc", "d", "f"));
}

TEST(LineWriter, CountsWhatAFullDiskDoesNotTakeAndGoesOn) {
  Pipe pipe;
  auto read = pipe.ReadAllAside();
  {
    LineWriter writer(open("/dev/full", O_WRONLY | O_CLOEXEC));
    for (int i = 0; i < 100; ++i) writer.Write("lost");
    Heard record;
    writer.Record("lost too", record.Done());
    EXPECT_FALSE(record.Get());
    EXPECT_TRUE(writer.Flush(Clock::now() + kLong));
    EXPECT_EQ(writer.dropped(), 101u);
    writer.Reopen(pipe.TakeWriteEnd());
    Heard kept;
    writer.Record("kept", kept.Done());
    EXPECT_TRUE(kept.Get());
    EXPECT_EQ(writer.dropped(), 101u);
  }
  EXPECT_THAT(read.get(), ElementsAre("kept"));
}

TEST(LineWriter, CountsWhatNobodyCanReadAnyMore) {
  auto pipe = std::make_unique<Pipe>();
  LineWriter writer(pipe->TakeWriteEnd());
  pipe.reset();
  writer.Write("lost");
  Heard record;
  writer.Record("lost too", record.Done());
  EXPECT_FALSE(record.Get());
  EXPECT_TRUE(writer.Flush(Clock::now() + kLong));
  EXPECT_EQ(writer.dropped(), 2u);
}

TEST(LineWriter, WritesLongLinesAsAWhole) {
  const std::string line(10 * PIPE_BUF + 1, 'x');
  Pipe pipe;
  auto read = pipe.ReadAllAside();
  {
    LineWriter writer(pipe.TakeWriteEnd());
    writer.Write("before");
    Heard record;
    writer.Record(line, record.Done());
    EXPECT_TRUE(record.Get());
    writer.Write("after");
  }
  EXPECT_THAT(read.get(), ElementsAre("before", line, "after"));
}

TEST(LineWriter, WritesWholeLinesAtOnceAndNoMoreThanAPipeKeepsTogether) {
  const std::string line(PIPE_BUF / 4 - 1, 'x');
  Pipe pipe(O_DIRECT);
  std::future<std::vector<std::string>> read;
  {
    LineWriter writer(pipe.Fill().TakeWriteEnd());
    for (int i = 0; i < 7; ++i) writer.Write(line);  // four fit
    writer.Write(line + "y");                        // a byte more than fits
    writer.Write("z");
    writer.Write(std::string(PIPE_BUF - 1, 'a'));
    writer.Write(std::string(PIPE_BUF, 'b'));  // cannot be kept together
    writer.Write("c");
    read = std::async(std::launch::async, [&pipe] { return pipe.ReadParts(); });
  }
  const std::string l = line + '\n';
  EXPECT_THAT(read.get(), ElementsAre(l + l + l + l, l + l + l, line + "y\nz\n", std::string(PIPE_BUF - 1, 'a') + '\n',
                                      std::string(PIPE_BUF, 'b'), "\n", "c\n"));
}

TEST(LineWriter, WritesWholeLinesIntoAPipeThatTakesTheFilesPlace) {
  const std::string path = ::testing::TempDir() + "before-" + std::to_string(getpid());
  const std::string line(999, 'x');
  Pipe pipe(O_DIRECT);
  auto read = std::async(std::launch::async, [&pipe] { return pipe.ReadParts(); });
  {
    LineWriter writer(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    for (int i = 0; i < 40; ++i) writer.Write(line);  // joined, since a file takes them at once
    writer.Reopen(pipe.TakeWriteEnd());
  }
  // If the thread was faster, all of them are in the file.
  std::size_t bytes = ReadFile(path).size();
  for (const std::string& part : read.get()) {
    EXPECT_LE(part.size(), std::size_t{PIPE_BUF});
    EXPECT_EQ(part.size() % (line.size() + 1), 0u);
    bytes += part.size();
  }
  EXPECT_EQ(bytes, 40 * (line.size() + 1));
  unlink(path.c_str());
}

TEST(LineWriter, RefusesARecordForWhichThereIsNoRoom) {
  Pipe pipe;
  std::future<std::vector<std::string>> read;
  Heard first, second;
  {
    LineWriter writer(pipe.Fill().TakeWriteEnd(), {.max_lines = 1, .patience = kLong});
    writer.Record("first", first.Done());
    writer.Record("second", second.Done());
    EXPECT_FALSE(second.Get());
    writer.Write("a line, for which no record is dropped");
    EXPECT_EQ(first.calls, 0);
    EXPECT_EQ(writer.dropped(), 2u);
    read = pipe.ReadAllAside();
    EXPECT_TRUE(first.Get());
  }
  EXPECT_THAT(read.get(), ElementsAre("first"));
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 1);
}

TEST(LineWriter, GivesUpRecordsThatNobodyReadsInTimeForGood) {
  Pipe pipe;
  std::future<std::vector<std::string>> read;
  {
    LineWriter writer(pipe.Fill().TakeWriteEnd(), {.patience = milliseconds(50)});
    writer.Write("line");
    Heard record;
    const auto start = Clock::now();
    writer.Record("record", record.Done());
    EXPECT_FALSE(record.Get());
    EXPECT_GE(Clock::now() - start, milliseconds(50));
    EXPECT_EQ(writer.dropped(), 1u);
    read = pipe.ReadAllAside();
  }
  EXPECT_THAT(read.get(), ElementsAre("line"));
}

TEST(LineWriter, GivesUpRecordsWhoseTimeIsOverWhenTheirTurnComes) {
  Pipe pipe;
  auto read = pipe.ReadAllAside();
  {
    LineWriter writer(pipe.TakeWriteEnd(), {.patience = milliseconds(0)});
    Heard record;
    writer.Record("record", record.Done());
    writer.Write("line");
    EXPECT_FALSE(record.Get());
    EXPECT_TRUE(writer.Flush(Clock::now() + kLong));
    EXPECT_EQ(writer.dropped(), 1u);
  }
  EXPECT_THAT(read.get(), ElementsAre("line"));
}

TEST(LineWriter, GivesUpRecordsBehindALineThatIsWrittenInPart) {
  const std::string line(2 * PIPE_BUF, 'x');
  Pipe pipe;
  std::future<std::vector<std::string>> read;
  {
    LineWriter writer(pipe.TakeWriteEnd(), {.patience = milliseconds(50)});
    writer.Write(line);
    Heard record;
    writer.Record("record", record.Done());
    EXPECT_FALSE(record.Get());
    EXPECT_EQ(writer.dropped(), 1u);
    read = pipe.ReadAllAside();
  }
  EXPECT_THAT(read.get(), ElementsAre(line));
}

TEST(LineWriter, EndsTheLineOfARecordThatIsGivenUpHalfway) {
  Pipe pipe;
  std::future<std::vector<std::string>> read;
  {
    LineWriter writer(pipe.TakeWriteEnd(), {.patience = milliseconds(50)});
    Heard record;
    writer.Record(std::string(2 * PIPE_BUF, 'x'), record.Done());  // of which the pipe takes a half
    EXPECT_FALSE(record.Get());
    writer.Write("next");
    read = pipe.ReadAllAside();
  }
  EXPECT_THAT(read.get(), ElementsAre(std::string(PIPE_BUF, 'x'), "next"));
}

TEST(LineWriter, EndsTheLineOfWhichADiskTookAHalf) {
  // Beyond RLIMIT_FSIZE a file behaves like a full disk.
  signal(SIGXFSZ, SIG_IGN);
  rlimit unlimited{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  std::string path = ::testing::TempDir() + "line_writer_XXXXXX";
  const int fd = mkstemp(path.data());
  {
    LineWriter writer(fd);
    Heard whole, half, none, next;
    const rlimit limited{8, unlimited.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
    writer.Record("aaaa", whole.Done());
    writer.Record("bbbb", half.Done());
    writer.Record("cccc", none.Done());
    EXPECT_TRUE(whole.Get());
    EXPECT_FALSE(half.Get());
    EXPECT_FALSE(none.Get());
    EXPECT_EQ(writer.dropped(), 2u);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    writer.Record("dddd", next.Done());
    EXPECT_TRUE(next.Get());
  }
  EXPECT_EQ(ReadFile(path), "aaaa\nbbb\ndddd\n");
  unlink(path.c_str());
}

TEST(LineWriter, FlushesNoLongerThanItIsAskedTo) {
  Pipe pipe;
  LineWriter writer(pipe.Fill().TakeWriteEnd());
  EXPECT_TRUE(writer.Flush(Clock::now()));
  writer.Write("line");
  const auto start = Clock::now();
  EXPECT_FALSE(writer.Flush(start + milliseconds(50)));
  EXPECT_GE(Clock::now() - start, milliseconds(50));
  EXPECT_LT(Clock::now() - start, milliseconds(900));
}

TEST(LineWriter, EndsWithinASecondAlthoughNobodyReads) {
  Pipe pipe;
  Heard record;
  const auto start = Clock::now();
  {
    LineWriter writer(pipe.Fill().TakeWriteEnd(), {.patience = kLong});
    writer.Record("record", record.Done());
  }
  EXPECT_LT(Clock::now() - start, milliseconds(1'900));
  EXPECT_FALSE(record.Get());
  EXPECT_THAT(pipe.ReadAll(), IsEmpty());
}

TEST(LineWriter, EndsAlthoughItsThreadIsStuckInWrite) {
  // A terminal claims to be writable as long as there is any room, and then waits for more.
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(grantpt(terminal), 0);
  ASSERT_EQ(unlockpt(terminal), 0);
  const int fd = open(ptsname(terminal), O_WRONLY | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  Heard waiting;
  const auto start = Clock::now();
  {
    LineWriter writer(fd, {.patience = kLong});
    // More than the terminal holds, so that a write of a page ends within it.
    for (int i = 0; i < 100; ++i) writer.Write(std::string(3'000, 'x'));
    writer.Record("record", waiting.Done());
    EXPECT_FALSE(writer.Flush(start + milliseconds(200)));
  }
  EXPECT_LT(Clock::now() - start, milliseconds(2'500));
  EXPECT_FALSE(waiting.Get());
  close(terminal);
}

}  // namespace
}  // namespace livekit::token
