// Takes changed configuration files into use.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "base/clock.h"
#include "service/config.h"
#include "service/file_snapshot.h"
#include "service/folder_watch.h"
#include "service/lifecycle.h"
#include "service/metrics.h"

namespace livekit::token {

// When files are looked at.
struct ReloaderOptions {
  // The file that names the others, for messages; empty if there is none.
  std::string file;
  // However few events there are: not every file system has them.
  std::chrono::milliseconds poll = std::chrono::seconds(10);
  // For how long nothing may change before files are read: whoever writes several has some time to finish.
  std::chrono::milliseconds quiet{250};
};

// Watches the files that a configuration was read from, on a thread of its own. Whenever one of them has changed, the
// whole is read anew, checked, and taken into use or refused. A generation that was refused leaves the last good one in
// use, and is tried again with the next change of any file: Kubernetes delivers Secrets and ConfigMaps one after the
// other.
//
// Thread safety: all methods may be called concurrently.
class Reloader {
 public:
  // Reads everything anew through `files`, and takes all of it into use, or nothing and returns why. Called on the
  // reloader's thread.
  using Apply = std::function<ConfigProblems(FileSnapshot& files)>;

  // What is in use.
  struct State {
    std::string generation;  // fingerprint of its files
    Time since;
    ConfigProblems refused;  // of a newer generation; empty if there is none
  };

  // `in_use` is what the process has started with. `tidy` (null: nothing) is called from time to time. `metrics` must
  // outlive the object.
  Reloader(const FileSnapshot& in_use, Apply apply, std::function<void()> tidy, Metrics& metrics,
           const ReloaderOptions& options = {});
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // Reads everything anew soon, whether or not something has changed (SIGHUP).
  void Reload();
  State state() const;

 private:
  void Run();
  // Waits for the next reason to look. Returns whether files are to be read even if none has changed.
  bool AwaitReason();
  bool HasChanged() const;
  void Try();
  void Watch();

  const Apply apply_;
  const std::function<void()> tidy_;
  Metrics& metrics_;
  const ReloaderOptions options_;
  FolderWatch watch_;
  std::atomic<bool> stopping_{false};

  // Of the last attempt, good or not; of the thread alone.
  std::set<std::string> paths_;
  std::string fingerprint_;
  FileSnapshot read_once_;  // pipes, which have nothing to read any more

  mutable std::mutex mutex_;
  State state_;  // guarded by mutex_

  std::thread thread_;  // last, since it uses the others
};

// What `/readyz?verbose` says of it. A generation that was refused is no reason not to be ready.
Check CheckOf(const Reloader::State& state);

}  // namespace livekit::token
