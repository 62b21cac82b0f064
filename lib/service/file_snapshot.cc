#include "service/file_snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/digest.h"
#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

namespace fs = std::filesystem;

std::string_view WhyNotRead(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "does not exist";
    case EACCES:
    case EPERM:
      return "may not be read by this user";
    case EISDIR:
      return "is a folder";
    case ELOOP:
      return "is a symbolic link that leads nowhere";
    default:
      return "cannot be read";
  }
}

absl::Status Fail(const std::string& path, std::string_view why) {
  return absl::Status(absl::StatusCode::kFailedPrecondition, Sv(path + ": " + std::string(why)));
}

absl::Status TooLarge(const std::string& path, std::size_t max_bytes) {
  return Fail(path, "is too large; at most " + std::to_string(max_bytes) + " bytes are read");
}

fs::path ParentOf(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? "." : parent;
}

}  // namespace

FileSnapshot::~FileSnapshot() {
  for (const auto& [path, folder] : folders_) {
    if (folder >= 0) close(folder);
  }
}

int FileSnapshot::Folder(const std::string& path) {
  const auto [found, inserted] = folders_.emplace(path, 0);
  if (inserted) {
    found->second = open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (found->second < 0) found->second = -errno;
  }
  if (found->second >= 0) return found->second;
  errno = -found->second;
  return -1;
}

int FileSnapshot::OpenFile(const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY;
  const fs::path file(path);
  // The nearest folder that is a volume of Kubernetes; a file may lie deeper in it, and beside what is swapped.
  for (fs::path volume = ParentOf(file);; volume = ParentOf(volume)) {
    const int data = Folder((volume / "..data").string());
    if (data >= 0) {
      const int fd = openat(data, file.lexically_relative(volume).c_str(), kFlags);
      if (fd >= 0 || errno != ENOENT) return fd;
      // What stands at the path by now belongs to a later generation of the volume.
      struct stat info {};
      if (fstat(data, &info) == 0 && info.st_nlink == 0) {
        errno = ENOENT;
        return -1;
      }
      break;
    }
    if (volume == ParentOf(volume) || volume == "." || volume.filename() == "..") break;
  }
  const int folder = Folder(ParentOf(file).string());
  return folder < 0 ? -1 : openat(folder, file.filename().c_str(), kFlags);
}

FileSnapshot::Entry FileSnapshot::Load(const std::string& path) {
  struct stat info {};
  if (const auto kept = kept_.find(path);
      kept != kept_.end() && (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))) {
    return kept->second.Clone();
  }
  Entry entry;
  const int fd = OpenFile(path);
  if (fd < 0) {
    entry.status = Fail(path, WhyNotRead(errno));
    return entry;
  }
  std::string content;
  char buffer[65536];
  ssize_t size = fstat(fd, &info);
  // Growing would leave copies behind.
  if (size >= 0 && S_ISREG(info.st_mode))
    content.reserve(std::min<std::size_t>(info.st_size, kMaxBytes + sizeof buffer));
  while (size >= 0 && content.size() <= kMaxBytes) {
    size = read(fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) {
      size = 0;
      continue;
    }
    if (size <= 0) break;
    content.append(buffer, static_cast<std::size_t>(size));
  }
  const int error = errno;
  close(fd);
  Wipe(buffer, sizeof buffer);
  entry.content = Secret(std::move(content));
  if (size < 0) {
    entry.status = Fail(path, WhyNotRead(error));
  } else if (entry.content.size() > kMaxBytes) {
    entry.status = TooLarge(path, kMaxBytes);
  }
  entry.regular = S_ISREG(info.st_mode);
  entry.others_may_access = (info.st_mode & S_IRWXO) != 0;
  entry.digest = Sha256(entry.content.Reveal());
  return entry;
}

absl::StatusOr<FileSnapshot::File> FileSnapshot::Get(const std::string& path, std::size_t max_bytes) {
  auto found = entries_.find(path);
  if (found == entries_.end()) found = entries_.emplace(path, Load(path)).first;
  const Entry& entry = found->second;
  if (!entry.status.ok()) return entry.status;
  if (entry.content.size() > max_bytes) return TooLarge(path, max_bytes);
  return File{entry.content.Reveal(), entry.regular, entry.others_may_access};
}

absl::StatusOr<std::string> FileSnapshot::Read(const std::string& path, std::size_t max_bytes) {
  const auto file = Get(path, max_bytes);
  if (!file.ok()) return file.status();
  return std::string(file->content);
}

void FileSnapshot::KeepFrom(const FileSnapshot& earlier) {
  for (const auto& [path, entry] : earlier.kept_) kept_.try_emplace(path, entry.Clone());
  for (const auto& [path, entry] : earlier.entries_) {
    if (entry.status.ok() && !entry.regular) kept_.try_emplace(path, entry.Clone());
  }
}

std::string FileSnapshot::Fingerprint() const {
  std::string text;
  for (const auto& [path, entry] : entries_) {
    text.append(path).push_back('\0');
    text.append(entry.status.ok() ? HexEncode(entry.digest) : std::string(entry.status.message())).push_back('\0');
    text.append(entry.others_may_access ? "o" : "p").append(entry.regular ? "r" : "s").push_back('\0');
  }
  return HexEncode(Sha256(text)).substr(0, 16);
}

std::set<std::string> FileSnapshot::paths() const {
  std::set<std::string> paths;
  for (const auto& [path, entry] : entries_) paths.insert(path);
  return paths;
}

std::set<std::string> FoldersToWatch(const std::string& path) {
  std::set<std::string> folders{ParentOf(path).string()};
  std::error_code error;
  for (fs::path folder = ParentOf(path); !fs::exists(folder, error) && folder != ParentOf(folder);
       folder = ParentOf(folder)) {
    folders.insert(ParentOf(folder).string());
  }
  if (const fs::path real = fs::canonical(path, error); !error) folders.insert(ParentOf(real).string());
  for (fs::path part(path); part.has_relative_path(); part = part.parent_path()) {
    if (fs::is_symlink(part, error)) folders.insert(ParentOf(part).string());
  }
  return folders;
}

}  // namespace livekit::token
