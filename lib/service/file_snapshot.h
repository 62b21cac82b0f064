// The files of a configuration as they are at one moment.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/secret.h"

namespace livekit::token {

// Something that reads files as ReadFile of config.h does: the file system as it is, or one state of it.
using FileReader = std::function<absl::StatusOr<std::string>(const std::string& path, std::size_t max_bytes)>;

// Reads files so that those which are replaced together are read together. Kubernetes swaps all files of a volume at
// once, by a new folder behind the symbolic link `..data`; so every folder is opened once, `..data` followed, and all
// its files are read through that one handle. A file that is read again is the same, whatever has been written
// meanwhile.
//
// The content is wiped with the object. Thread safety: none.
class FileSnapshot {
 public:
  static constexpr std::size_t kMaxBytes = 1 << 20;

  // A file that could be read; as long as the snapshot.
  struct File {
    std::string_view content;
    bool regular = false;            // no pipe, device or the like
    bool others_may_access = false;  // by the permission bits for others
  };

  FileSnapshot() = default;
  ~FileSnapshot();
  FileSnapshot(const FileSnapshot&) = delete;
  FileSnapshot& operator=(const FileSnapshot&) = delete;

  // The file at `path`, of at most `max_bytes`, which is at most kMaxBytes. Errors: FailedPrecondition with the path
  // and why, never with its content.
  absl::StatusOr<File> Get(const std::string& path, std::size_t max_bytes = kMaxBytes);
  // A copy of its content.
  absl::StatusOr<std::string> Read(const std::string& path, std::size_t max_bytes = kMaxBytes);
  // Read as a function; it must not outlive the snapshot.
  FileReader reader() {
    return [this](const std::string& path, std::size_t max_bytes) { return Read(path, max_bytes); };
  }
  // Whether there is anything to read at `path` is of no interest; it counts for `Fingerprint` and `paths`.
  void Touch(const std::string& path) { (void)Get(path); }

  // What gives its content only once, such as a pipe, will be read as `earlier` has read it.
  void KeepFrom(const FileSnapshot& earlier);

  // 16 hexadecimal digits that are the same for two snapshots exactly if the same files were asked for and were the
  // same. It tells nothing about files with secrets: there are always some in it that nobody can guess.
  std::string Fingerprint() const;
  // All files that were asked for.
  std::set<std::string> paths() const;

 private:
  struct Entry {
    absl::Status status;
    Secret content;
    bool regular = false;
    bool others_may_access = false;
    std::string digest;  // SHA-256 of the content

    Entry Clone() const { return {status, content.Clone(), regular, others_may_access, digest}; }
  };

  // Reads `path` into a new entry.
  Entry Load(const std::string& path);
  // Opens the file for reading; -1 with errno.
  int OpenFile(const std::string& path);
  // The handle of a folder, opened at its first use; -1 with errno.
  int Folder(const std::string& path);

  std::map<std::string, Entry> entries_;
  std::map<std::string, Entry> kept_;   // of an earlier snapshot, for paths at which there is no regular file
  std::map<std::string, int> folders_;  // descriptors, or negated error numbers
};

// The folders in which a change of what stands at `path` would be seen: those of the file, of what it links to, of
// every symbolic link on the way, and where a missing folder would be made.
std::set<std::string> FoldersToWatch(const std::string& path);

}  // namespace livekit::token
