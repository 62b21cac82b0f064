// Files in memory: what readers see while they are replaced.
#include "http/published_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace livekit::token::http {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

time_t ModifiedAt(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  return info.st_mtime;
}

void Replace(PublishedFile& file, std::string_view content) {
  ASSERT_OK_AND_ASSIGN(Fd staged, file.Stage(content));
  file.Publish(std::move(staged));
}

TEST(PublishedFile, ShowsTheLatestContentAtOnePath) {
  ASSERT_OK_AND_ASSIGN(const auto file, PublishedFile::Create("one"));
  const std::string path = file->path();
  EXPECT_EQ(Read(path), "one");
  EXPECT_EQ(Read(path), "one") << "every reader begins at the front";
  Replace(*file, std::string("two\0two", 7));
  EXPECT_EQ(Read(path), std::string("two\0two", 7));
  Replace(*file, "");
  EXPECT_EQ(Read(path), "");
  EXPECT_EQ(file->path(), path);
}

TEST(PublishedFile, ShowsNothingOfWhatIsOnlyStaged) {
  ASSERT_OK_AND_ASSIGN(const auto file, PublishedFile::Create("one"));
  {
    ASSERT_OK_AND_ASSIGN(const Fd staged, file->Stage("two"));
    EXPECT_EQ(Read(file->path()), "one");
  }
  EXPECT_EQ(Read(file->path()), "one") << "what is not published is forgotten";
}

TEST(PublishedFile, LetsWhoHasOpenedItReadToTheEnd) {
  const std::string old(100'000, 'o');
  ASSERT_OK_AND_ASSIGN(const auto file, PublishedFile::Create(old));
  std::ifstream reader(file->path());
  EXPECT_EQ(reader.get(), 'o');
  Replace(*file, "new");
  std::stringstream rest;
  rest << reader.rdbuf();
  EXPECT_EQ(rest.str(), old.substr(1));
}

TEST(PublishedFile, GivesEveryVersionItsOwnTime) {
  ASSERT_OK_AND_ASSIGN(const auto file, PublishedFile::Create("one"));
  time_t last = ModifiedAt(file->path());
  EXPECT_GT(last, 0) << "gRPC takes 0 for a failure";
  for (int i = 0; i < 3; ++i) {
    Replace(*file, "the same");
    EXPECT_GT(ModifiedAt(file->path()), last);
    last = ModifiedAt(file->path());
  }
}

// gRPC reads the same path for the key and for the certificate, and looks at its time before and after.
TEST(PublishedFile, NeverGivesTwoReadersHalvesOfTwoVersionsUnnoticed) {
  const auto content = [](int i) { return std::string(20'000, static_cast<char>('a' + i % 26)); };
  ASSERT_OK_AND_ASSIGN(const auto file, PublishedFile::Create(content(0)));
  std::atomic<bool> stop{false};
  std::thread reader([&, path = file->path()] {
    while (!stop) {
      const time_t before = ModifiedAt(path);
      const std::string first = Read(path);
      const std::string second = Read(path);
      const bool same = ModifiedAt(path) == before;
      for (const std::string& text : {first, second}) {
        ASSERT_EQ(text.size(), 20'000u);
        ASSERT_EQ(text.find_first_not_of(text[0]), text.npos);
      }
      ASSERT_TRUE(!same || first == second);
    }
  });
  for (int i = 1; i < 3000; ++i) Replace(*file, content(i));
  stop = true;
  reader.join();
}

TEST(PublishedFile, CannotBeChangedByItsReaders) {
  ASSERT_OK_AND_ASSIGN(const auto file, PublishedFile::Create("one"));
  const Fd fd(open(file->path().c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_LT(write(fd.get(), "x", 1), 0);
  EXPECT_NE(ftruncate(fd.get(), 0), 0);
  EXPECT_EQ(Read(file->path()), "one");
}

TEST(PublishedFile, IsNotGivenToOtherPrograms) {
  ASSERT_OK_AND_ASSIGN(const auto file, PublishedFile::Create("one"));
  const int fd = std::stoi(file->path().substr(file->path().rfind('/') + 1));
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  Replace(*file, "two");
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(PublishedFile, LeavesAnEmptyFileWhoseNumberNobodyElseGets) {
  std::string path;
  {
    ASSERT_OK_AND_ASSIGN(const auto file, PublishedFile::Create("secret"));
    path = file->path();
  }
  EXPECT_EQ(Read(path), "");
  const Fd next(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_NE(path, "/proc/self/fd/" + std::to_string(next.get()));
}

}  // namespace
}  // namespace livekit::token::http
