// Files that are read as they were at one moment.
#include "service/file_snapshot.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/config.h"
#include "support/program.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class FileSnapshotTest : public ::testing::Test {
 protected:
  FileSnapshotTest() : root_(fs::canonical(folder_.path()).string()) {}

  std::string Path(const std::string& name) const { return root_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    fs::create_directories(fs::path(Path(name)).parent_path());
    std::ofstream(Path(name)) << text;
    EXPECT_EQ(chmod(Path(name).c_str(), mode), 0);
    return Path(name);
  }
  // Makes `volume/..data` lead to `generation`, at once, as Kubernetes does.
  void Swap(const std::string& volume, const std::string& generation) const {
    const std::string next = Path(volume + "/..data_tmp");
    fs::create_directory_symlink(generation, next);
    fs::rename(next, Path(volume + "/..data"));
  }
  // A volume of two files and a deeper one, with the text of the generation in each.
  void Generation(const std::string& volume, const std::string& name, const std::string& text) const {
    Write(volume + "/" + name + "/cert", text);
    Write(volume + "/" + name + "/key", text);
    Write(volume + "/" + name + "/sub/deep", text);
    Swap(volume, name);
    std::error_code exists;
    for (const char* file : {"cert", "key", "sub"}) {
      fs::create_symlink(std::string("..data/") + file, Path(volume + "/" + file), exists);
    }
  }
  static std::string Text(FileSnapshot& files, const std::string& path) {
    const auto text = files.Read(path);
    return text.ok() ? *text : std::string(text.status().message());
  }
  static std::string FingerprintOf(const std::vector<std::string>& paths) {
    FileSnapshot files;
    for (const std::string& path : paths) files.Touch(path);
    return files.Fingerprint();
  }

  testing::TempFolder folder_;
  const std::string root_;
};

TEST_F(FileSnapshotTest, ReadsAVolumeAsOneGeneration) {
  Generation("volume", "..1", "one");
  FileSnapshot files;
  EXPECT_EQ(Text(files, Path("volume/cert")), "one");
  Generation("volume", "..2", "two");
  EXPECT_EQ(Text(files, Path("volume/key")), "one");
  EXPECT_EQ(Text(files, Path("volume/sub/deep")), "one");
  FileSnapshot later;
  EXPECT_EQ(Text(later, Path("volume/key")), "two");
  EXPECT_EQ(Text(later, Path("volume/sub/deep")), "two");
}

TEST_F(FileSnapshotTest, DoesNotMixGenerationsWhenTheOldOneIsRemoved) {
  Generation("volume", "..1", "one");
  FileSnapshot files;
  EXPECT_EQ(Text(files, Path("volume/cert")), "one");
  Generation("volume", "..2", "two");
  fs::remove_all(Path("volume/..1"));
  EXPECT_THAT(Text(files, Path("volume/key")), HasSubstr("does not exist"));
}

TEST_F(FileSnapshotTest, ReadsWhatIsBesideAVolume) {
  Generation("volume", "..1", "one");
  Write("volume/beside", "other");
  Write("volume/own/file", "deeper");
  FileSnapshot files;
  EXPECT_EQ(Text(files, Path("volume/beside")), "other");
  EXPECT_EQ(Text(files, Path("volume/own/file")), "deeper");
}

TEST_F(FileSnapshotTest, DoesNotLookIntoAVolumeForWhatIsElsewhere) {
  Generation("volume", "..1", "inside");
  Write("volume/other/cert", "inside");
  Write("other/cert", "outside");
  FileSnapshot files;
  EXPECT_EQ(Text(files, Path("volume/../other/cert")), "outside");
}

TEST_F(FileSnapshotTest, ReadsAFileOnce) {
  const std::string path = Write("file", "first");
  FileSnapshot files;
  EXPECT_EQ(Text(files, path), "first");
  Write("file", "second");
  EXPECT_EQ(Text(files, path), "first");
  // Also that it was not there.
  EXPECT_THAT(Text(files, Path("missing")), HasSubstr("does not exist"));
  Write("missing", "late");
  EXPECT_THAT(Text(files, Path("missing")), HasSubstr("does not exist"));
  // The one that is moved to its place is found through the folder.
  FileSnapshot later;
  Write("new", "third");
  fs::rename(Path("new"), path);
  EXPECT_EQ(Text(later, path), "third");
}

TEST_F(FileSnapshotTest, LimitsTheSize) {
  const std::string path = Write("file", "12345");
  FileSnapshot files;
  EXPECT_OK(files.Get(path, 5));
  EXPECT_THAT(std::string(files.Get(path, 4).status().message()),
              AllOf(HasSubstr(path), HasSubstr("too large; at most 4 bytes"), Not(HasSubstr("1234"))));
  // Who asks first and with which limit is of no consequence.
  FileSnapshot other;
  EXPECT_FALSE(other.Get(path, 4).ok());
  EXPECT_OK(other.Get(path, 5));
  EXPECT_EQ(other.Fingerprint(), FingerprintOf({path}));
  EXPECT_OK(files.Get(Write("most", std::string(FileSnapshot::kMaxBytes, 'x'))));
  EXPECT_THAT(Text(files, Write("more", std::string(FileSnapshot::kMaxBytes + 1, 'x'))), HasSubstr("too large"));
}

TEST_F(FileSnapshotTest, SaysWhatCannotBeReadAndNotWhatIsInIt) {
  Write("file", "CONTENT");
  fs::create_symlink("loop", Path("loop"));
  FileSnapshot files;
  const auto refused = [&](const std::string& name, const char* why) {
    const auto file = files.Get(Path(name));
    ASSERT_FALSE(file.ok()) << name;
    EXPECT_EQ(file.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(file.status().message()),
                AllOf(HasSubstr(Path(name)), HasSubstr(why), Not(HasSubstr("CONTENT"))));
  };
  refused("missing", "does not exist");
  refused("no/folder", "does not exist");
  refused("file/below", "does not exist");
  refused(".", "is a folder");
  refused("loop", "leads nowhere");
  if (geteuid() != 0) {
    Write("locked", "CONTENT", 0);
    refused("locked", "may not be read");
  }
}

TEST_F(FileSnapshotTest, TellsWhoMayAccessAFile) {
  FileSnapshot files;
  ASSERT_OK_AND_ASSIGN(const auto own, files.Get(Write("own", "x", 0660)));
  EXPECT_TRUE(own.regular);
  EXPECT_FALSE(own.others_may_access);
  for (const mode_t mode : {0604, 0602, 0601}) {
    FileSnapshot later;
    ASSERT_OK_AND_ASSIGN(const auto open, later.Get(Write("open", "x", mode)));
    EXPECT_TRUE(open.others_may_access) << mode;
  }
  ASSERT_OK_AND_ASSIGN(const auto device, files.Get("/dev/null"));
  EXPECT_FALSE(device.regular);
}

TEST_F(FileSnapshotTest, FingerprintsAreEqualForEqualFiles) {
  const std::string a = Write("a", "1");
  const std::string b = Write("b", "2");
  const std::string all = FingerprintOf({a, b});
  EXPECT_THAT(all, ::testing::MatchesRegex("[0-9a-f]{16}"));
  EXPECT_EQ(FingerprintOf({b, a, b}), all);
  Write("new", "1");
  fs::rename(Path("new"), a);
  EXPECT_EQ(FingerprintOf({a, b}), all);
  EXPECT_EQ(chmod(a.c_str(), 0640), 0);  // not for others
  EXPECT_EQ(FingerprintOf({a, b}), all);
}

TEST_F(FileSnapshotTest, FingerprintsTellWhatHasChanged) {
  const std::string a = Write("a", "1");
  const std::string b = Write("b", "2");
  std::set<std::string> seen{FingerprintOf({a, b}), FingerprintOf({a}), FingerprintOf({b}), FingerprintOf({})};
  const auto see = [&] { seen.insert(FingerprintOf({a, b})); };
  Write("a", "2"), Write("b", "1"), see();  // exchanged
  Write("a", "1"), see();
  Write("a", ""), see();
  Write("a", "1", 0604), see();
  fs::remove(a), see();
  fs::create_directory(a), see();
  EXPECT_EQ(seen.size(), 10U);
  const std::string c = Write("c", "2");
  EXPECT_NE(FingerprintOf({c}), FingerprintOf({Write("d", "2")}));
}

TEST_F(FileSnapshotTest, KnowsWhatItWasAskedFor) {
  const std::string a = Write("a", "1");
  FileSnapshot files;
  (void)files.reader()(a, 10);
  files.Touch(Path("missing"));
  EXPECT_THAT(files.paths(), ElementsAre(a, Path("missing")));
}

// Writes to a pipe once, as `<(command)` does.
class Pipe {
 public:
  Pipe(const std::string& path, const std::string& text) {
    EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    writer_ = std::thread([path, text] { std::ofstream(path) << text; });
  }
  ~Pipe() { writer_.join(); }

 private:
  std::thread writer_;
};

TEST_F(FileSnapshotTest, ReadsPipes) {
  const std::string path = Path("pipe");
  {
    const Pipe pipe(path, std::string(200'000, 'x'));
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
    EXPECT_EQ(text, std::string(200'000, 'x'));
  }
  fs::remove(path);
  const Pipe pipe(path, "text");
  FileSnapshot files;
  ASSERT_OK_AND_ASSIGN(const auto file, files.Get(path));
  EXPECT_EQ(file.content, "text");
  EXPECT_FALSE(file.regular);
}

TEST_F(FileSnapshotTest, KeepsWhatCanBeReadOnlyOnce) {
  const std::string path = Path("pipe");
  const std::string regular = Write("regular", "1");
  FileSnapshot first;
  {
    const Pipe pipe(path, "text");
    EXPECT_EQ(Text(first, path), "text");
    EXPECT_EQ(Text(first, regular), "1");
  }
  Write("regular", "2");
  FileSnapshot second;
  second.KeepFrom(first);
  EXPECT_TRUE(second.paths().empty());
  EXPECT_EQ(Text(second, path), "text");
  EXPECT_EQ(Text(second, regular), "2");
  FileSnapshot third;
  third.KeepFrom(second);
  EXPECT_EQ(Text(third, path), "text");
  // A file that takes the pipe's place counts.
  fs::remove(path);
  Write("pipe", "file");
  FileSnapshot fourth;
  fourth.KeepFrom(third);
  EXPECT_EQ(Text(fourth, path), "file");
}

TEST_F(FileSnapshotTest, WatchesWhereAChangeWouldBeSeen) {
  EXPECT_THAT(FoldersToWatch(Write("plain/file", "x")), ElementsAre(Path("plain")));
  EXPECT_THAT(FoldersToWatch(Path("plain/missing")), ElementsAre(Path("plain")));
  EXPECT_THAT(FoldersToWatch("missing.yaml"), ElementsAre("."));
  EXPECT_THAT(FoldersToWatch("gone/missing.yaml"), ElementsAre(".", "gone"));
  EXPECT_THAT(FoldersToWatch(Path("gone/deeper/missing")), ElementsAre(root_, Path("gone"), Path("gone/deeper")));
  Generation("volume", "..1", "one");
  EXPECT_THAT(FoldersToWatch(Path("volume/cert")), ElementsAre(Path("volume"), Path("volume/..1")));
  EXPECT_THAT(FoldersToWatch(Path("volume/sub/deep")),
              ElementsAre(Path("volume"), Path("volume/..1/sub"), Path("volume/sub")));
  fs::create_directory_symlink(Path("plain"), Path("link"));
  EXPECT_THAT(FoldersToWatch(Path("link/file")), ElementsAre(root_, Path("link"), Path("plain")));
}

}  // namespace
}  // namespace livekit::token
