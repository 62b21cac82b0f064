// Changed files that are taken into use, or refused.
#include "service/reloader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/log.h"
#include "support/program.h"

namespace livekit::token {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

// So long that only an event can be the reason.
constexpr seconds kNoPoll{1000};

// A configuration of two files, `a` and `b`: good if they are equal.
class ReloaderTest : public ::testing::Test {
 protected:
  ReloaderTest() : root_(fs::canonical(folder_.path()).string()) {
    EXPECT_TRUE(SetLogLevel("error").ok());
    ::testing::internal::CaptureStderr();
  }
  ~ReloaderTest() override {
    reloader_.reset();
    ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(SetLogLevel("info").ok());
  }

  std::string Path(const std::string& name) const { return root_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(Path(name)).parent_path());
    std::ofstream(Path(name)) << text;
  }

  void Start(milliseconds poll = kNoPoll, milliseconds quiet = milliseconds(20)) {
    FileSnapshot first;
    for (const std::string& name : names_) first.Touch(Path(name));
    first_ = first.Fingerprint();
    ReloaderOptions options;
    options.poll = poll;
    options.quiet = quiet;
    reloader_ = std::make_unique<Reloader>(
        first, [this](FileSnapshot& files) { return Apply(files); }, [this] { ++rounds_; }, metrics_, options);
  }
  ConfigProblems Apply(FileSnapshot& files) {
    std::vector<std::string> texts;
    for (const std::string& name : names_) texts.push_back(files.Read(Path(name)).value_or("missing"));
    {
      const std::lock_guard lock(mutex_);
      ++applied_;
      texts_ = texts.front();
    }
    if (during_apply_) during_apply_();
    if (texts.front() != texts.back()) return {{"b", "is not as a"}, {"", "more"}};
    return {};
  }
  int applied() {
    const std::lock_guard lock(mutex_);
    return applied_;
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return texts_;
  }
  // Waits for what another thread will do; false if it does not.
  static bool Await(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return true;
  }
  bool AwaitLoaded(const std::string& text) {
    return Await([&] {
      const auto state = reloader_->state();
      return this->text() == text && state.refused.empty() && state.generation == FingerprintNow();
    });
  }
  bool AwaitRefused(int applied) {
    return Await([&] { return this->applied() >= applied && !reloader_->state().refused.empty(); });
  }
  std::string FingerprintNow() const {
    FileSnapshot files;
    for (const std::string& name : names_) files.Touch(Path(name));
    return files.Fingerprint();
  }
  // Lets a reloader that has just been started look for the first time: it watches when that has been done.
  bool AwaitWatch() {
    reloader_->Reload();
    return Await([&] { return rounds_ > 0; });
  }
  // Lets the reloader, which polls, look so many times more, and end that.
  bool AwaitRounds(int more) {
    const int before = rounds_;
    return Await([&] { return rounds_ >= before + more; });
  }

  testing::TempFolder folder_;
  const std::string root_;
  std::vector<std::string> names_{"a", "b"};
  std::string first_;
  Metrics metrics_;
  std::mutex mutex_;
  int applied_ = 0;                     // guarded by mutex_
  std::string texts_;                   // guarded by mutex_
  std::function<void()> during_apply_;  // set before Start
  std::atomic<int> rounds_{0};
  std::unique_ptr<Reloader> reloader_;
};

TEST_F(ReloaderTest, BeginsWithWhatIsInUse) {
  Write("a", "1"), Write("b", "1");
  Start();
  const auto state = reloader_->state();
  EXPECT_EQ(state.generation, first_);
  EXPECT_TRUE(state.refused.empty());
  const std::string text = metrics_.Serialize();
  EXPECT_THAT(text, HasSubstr("config_last_reload_successful 1\n"));
  EXPECT_THAT(text, HasSubstr("config_generation_info{hash=\"" + first_ + "\"} 1\n"));
}

TEST_F(ReloaderTest, TakesAChangedFileIntoUse) {
  Write("a", "1"), Write("b", "1");
  Start(kNoPoll, milliseconds(200));
  const auto before = reloader_->state();
  Write("a", "2"), Write("b", "2");
  ASSERT_TRUE(AwaitLoaded("2"));
  const auto state = reloader_->state();
  EXPECT_NE(state.generation, first_);
  EXPECT_GE(state.since, before.since);
  const std::string text = metrics_.Serialize();
  EXPECT_THAT(text, HasSubstr("config_last_reload_successful 1\n"));
  EXPECT_THAT(text, HasSubstr("config_generation_info{hash=\"" + state.generation + "\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr(first_)));
}

TEST_F(ReloaderTest, NoticesWhatChangedBeforeItWatched) {
  Write("a", "1"), Write("b", "1");
  FileSnapshot first;
  for (const char* name : {"a", "b"}) first.Touch(Path(name));
  Write("a", "2"), Write("b", "2");
  ReloaderOptions options;
  options.poll = kNoPoll;
  reloader_ = std::make_unique<Reloader>(
      first, [this](FileSnapshot& files) { return Apply(files); }, nullptr, metrics_, options);
  EXPECT_TRUE(AwaitLoaded("2"));
}

TEST_F(ReloaderTest, TakesASwappedVolumeIntoUse) {
  const auto generation = [&](const std::string& name) {
    Write("volume/" + name + "/a", name), Write("volume/" + name + "/b", name);
    fs::create_directory_symlink(name, Path("volume/..tmp"));
    fs::rename(Path("volume/..tmp"), Path("volume/..data"));
  };
  generation("..1");
  for (const char* file : {"a", "b"}) fs::create_symlink(std::string("..data/") + file, Path("volume/") + file);
  names_ = {"volume/a", "volume/b"};
  Start();
  for (const char* name : {"..2", "..3"}) {
    generation(name);
    ASSERT_TRUE(AwaitLoaded(name));
  }
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("config_last_reload_successful 1\n"));
}

TEST_F(ReloaderTest, NoticesAFileThatIsDeletedAndMadeAnew) {
  Write("a", "1"), Write("b", "1");
  Start();
  fs::remove(Path("a"));
  ASSERT_TRUE(AwaitRefused(1));
  EXPECT_EQ(reloader_->state().generation, first_);
  Write("a", "1");
  ASSERT_TRUE(AwaitLoaded("1"));
  EXPECT_EQ(reloader_->state().generation, first_);
}

TEST_F(ReloaderTest, NoticesAFileThatIsMovedToItsPlace) {
  Write("a", "1"), Write("b", "1");
  Start();
  Write("elsewhere/new", "2");
  fs::rename(Path("elsewhere/new"), Path("a"));
  ASSERT_TRUE(AwaitRefused(1));
  Write("elsewhere/new", "2");
  fs::rename(Path("elsewhere/new"), Path("b"));
  ASSERT_TRUE(AwaitLoaded("2"));
}

TEST_F(ReloaderTest, NoticesAFolderThatIsRemovedAndMadeAnew) {
  names_ = {"above/folder/a", "above/folder/b"};
  Write("above/folder/a", "1"), Write("above/folder/b", "1");
  Start();
  ASSERT_TRUE(AwaitWatch());
  fs::remove_all(Path("above"));
  ASSERT_TRUE(AwaitLoaded("missing"));
  Write("above/folder/a", "2"), Write("above/folder/b", "2");
  ASSERT_TRUE(AwaitLoaded("2"));
}

TEST_F(ReloaderTest, WatchesAFolderThatWasMadeAnewWithTheSameFiles) {
  names_ = {"folder/a", "folder/b"};
  Write("folder/a", "1"), Write("folder/b", "1");
  Write("next/a", "1"), Write("next/b", "1");
  Start();
  ASSERT_TRUE(AwaitWatch());
  const int rounds = rounds_;
  ASSERT_EQ(renameat2(AT_FDCWD, Path("folder").c_str(), AT_FDCWD, Path("next").c_str(), RENAME_EXCHANGE), 0);
  ASSERT_TRUE(Await([&] { return rounds_ > rounds; }));
  Write("folder/a", "2"), Write("folder/b", "2");
  EXPECT_TRUE(AwaitLoaded("2"));
}

TEST_F(ReloaderTest, LeavesTheLastGoodOneInUse) {
  Write("a", "1"), Write("b", "1");
  Start();
  Write("a", "2");
  ASSERT_TRUE(AwaitRefused(1));
  const auto state = reloader_->state();
  EXPECT_EQ(state.generation, first_);
  ASSERT_EQ(state.refused.size(), 2U);
  EXPECT_EQ(state.refused[0].message, "is not as a");
  const std::string text = metrics_.Serialize();
  EXPECT_THAT(text, HasSubstr("config_last_reload_successful 0\n"));
  EXPECT_THAT(text, HasSubstr("config_generation_info{hash=\"" + first_ + "\"} 1\n"));
  // Any other change is a reason to try again.
  Write("b", "2");
  ASSERT_TRUE(AwaitLoaded("2"));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("config_last_reload_successful 1\n"));
}

TEST_F(ReloaderTest, DoesNotTryAgainWithoutAChange) {
  Write("a", "1"), Write("b", "2");
  Start(milliseconds(2));
  ASSERT_TRUE(AwaitRounds(20));
  EXPECT_EQ(applied(), 0);
  Write("a", "3");
  ASSERT_TRUE(AwaitRefused(1));
  ASSERT_TRUE(AwaitRounds(5));  // the file may have been seen when it was empty
  const int applied_once = applied();
  EXPECT_LE(applied_once, 2);
  ASSERT_TRUE(AwaitRounds(20));
  // Nor for a file of no interest, or for the same text again.
  Write("c", "new");
  Write("new", "3");
  fs::rename(Path("new"), Path("a"));
  ASSERT_TRUE(AwaitRounds(20));
  EXPECT_EQ(applied(), applied_once);
}

TEST_F(ReloaderTest, ReadsAnewWhenAsked) {
  Write("a", "1"), Write("b", "1");
  Start();
  for (int i = 1; i <= 3; ++i) {
    reloader_->Reload();
    ASSERT_TRUE(Await([&] { return applied() >= i; }));
  }
  EXPECT_EQ(reloader_->state().generation, first_);
}

TEST_F(ReloaderTest, LooksFromTimeToTimeWhereNothingTellsOfChanges) {
  // Neither the folder nor what the link leads to exists when watches are set; the parent is not watched.
  names_ = {"folder/sub/a", "folder/sub/b"};
  Start(milliseconds(5));
  ASSERT_TRUE(AwaitRounds(3));
  EXPECT_EQ(applied(), 0);
  Write("folder/sub/a", "1"), Write("folder/sub/b", "1");
  EXPECT_TRUE(AwaitLoaded("1"));
}

TEST_F(ReloaderTest, FollowsTheFilesThatTheNewestGenerationNames) {
  Write("a", "1"), Write("b", "1"), Write("other/c", "1");
  during_apply_ = [this] {
    if (text() == "2" && names_[1] == "b") names_ = {"a", "other/c"};
  };
  Start();
  Write("a", "2");
  ASSERT_TRUE(AwaitRefused(1));
  reloader_->Reload();  // reads the other file now
  ASSERT_TRUE(Await([&] { return applied() >= 2; }));
  Write("other/c", "2");
  EXPECT_TRUE(AwaitLoaded("2"));
}

TEST_F(ReloaderTest, ReadsAPipeOnce) {
  names_ = {"pipe", "pipe"};
  const std::string path = Path("pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([path] { std::ofstream(path) << "1"; });
  Start(milliseconds(2));  // would wait for another writer, for ever
  writer.join();
  ASSERT_TRUE(AwaitRounds(3));
  EXPECT_EQ(applied(), 0);
  reloader_->Reload();
  EXPECT_TRUE(Await([&] { return applied() == 1; }));
  EXPECT_EQ(text(), "1");
  ASSERT_TRUE(AwaitRounds(3));
  EXPECT_EQ(applied(), 1);
}

TEST_F(ReloaderTest, EndsAfterWhatItIsDoing) {
  Write("a", "1"), Write("b", "1");
  std::promise<void> begun;
  std::promise<void> go_on;
  bool ended = false;
  during_apply_ = [&] {
    begun.set_value();
    go_on.get_future().wait();
    ended = true;
  };
  Start();
  reloader_->Reload();
  begun.get_future().wait();
  std::thread destroyer([this] { reloader_.reset(); });
  go_on.set_value();
  destroyer.join();
  EXPECT_TRUE(ended);
  EXPECT_EQ(applied(), 1);
}

TEST_F(ReloaderTest, EndsAtOnceWhenNothingHappens) {
  Write("a", "1"), Write("b", "1");
  Start();
  const auto start = std::chrono::steady_clock::now();
  reloader_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(10));
}

TEST(ReloaderCheck, TellsOfARefusedGeneration) {
  Reloader::State state;
  state.generation = "0123456789abcdef";
  Check check = CheckOf(state);
  EXPECT_EQ(check.name, "configuration");
  EXPECT_TRUE(check.ok);
  EXPECT_FALSE(check.required);
  state.refused = {{"projects[0]", "is wrong"}, {"other", "too"}};
  check = CheckOf(state);
  EXPECT_FALSE(check.ok);
  EXPECT_FALSE(check.required);
  EXPECT_THAT(check.detail, HasSubstr("0123456789abcdef"));
  EXPECT_THAT(check.detail, HasSubstr("projects[0]: is wrong"));
  state.refused = {{"", "is wrong"}};
  EXPECT_THAT(CheckOf(state).detail, HasSubstr("refused: is wrong"));
}

}  // namespace
}  // namespace livekit::token
