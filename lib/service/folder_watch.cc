#include "service/folder_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "service/log.h"

namespace livekit::token {
namespace {

// What can make a path mean something else, or its content be something else. IN_CLOSE_WRITE and not IN_MODIFY: a file
// that is being written is of no interest yet.
constexpr std::uint32_t kEvents = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB |
                                  IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

}  // namespace

FolderWatch::FolderWatch()
    : inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (inotify_ < 0) {
    Log(LogLevel::kWarn, "no_inotify", {{"hint", "changed files are noticed by looking at them from time to time"}});
  }
}

FolderWatch::~FolderWatch() {
  if (inotify_ >= 0) close(inotify_);
  if (wake_ >= 0) close(wake_);
}

void FolderWatch::Set(const std::set<std::string>& folders) {
  if (inotify_ < 0) return;
  std::map<std::string, int> watches;
  // inotify gives a folder that it knows its old number, and a new one to a folder that has been made anew.
  for (const std::string& folder : folders) {
    const int watch = inotify_add_watch(inotify_, folder.c_str(), kEvents);
    if (watch >= 0) watches.emplace(folder, watch);
  }
  for (const auto& [folder, old] : watches_) {
    const auto is_old = [number = old](const auto& entry) { return entry.second == number; };
    if (std::none_of(watches.begin(), watches.end(), is_old)) inotify_rm_watch(inotify_, old);
  }
  watches_ = std::move(watches);
}

FolderWatch::Event FolderWatch::Wait(std::chrono::milliseconds limit) {
  pollfd fds[2] = {{wake_, POLLIN, 0}, {inotify_, POLLIN, 0}};
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    const int ready = poll(fds, 2, static_cast<int>(std::max(left, std::chrono::milliseconds(0)).count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Event::kTimeout;
    std::uint64_t count = 0;
    if ((fds[0].revents & POLLIN) != 0 && read(wake_, &count, sizeof count) > 0) return Event::kWoken;
    Drain();
    return Event::kChanged;
  }
}

void FolderWatch::Wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

void FolderWatch::Drain() {
  alignas(inotify_event) char buffer[4096];
  while (read(inotify_, buffer, sizeof buffer) > 0) {
  }
}

}  // namespace livekit::token
