// Waits for changes in folders.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>

namespace livekit::token {

// Waits by inotify on folders: a watch on a file would end with the first file that is moved to its place. Where the
// system refuses inotify or a folder there is only what Wait's time limit gives.
//
// Thread safety: Wake may be called by any thread, all else by one.
class FolderWatch {
 public:
  enum class Event { kChanged, kWoken, kTimeout };

  FolderWatch();
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  // Watches these folders, and no others. One that has been removed and made anew is watched anew.
  void Set(const std::set<std::string>& folders);
  // Waits until something has changed, or Wake was called, or for `limit`.
  Event Wait(std::chrono::milliseconds limit);
  // Ends a Wait, the present or the next one.
  void Wake();

 private:
  // Takes what inotify has to say.
  void Drain();

  const int inotify_;
  const int wake_;
  std::map<std::string, int> watches_;
};

}  // namespace livekit::token
