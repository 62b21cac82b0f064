#include "http/published_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>

#include "absl/status/status.h"
#include "base/status.h"

namespace livekit::token::http {
namespace {

bool Write(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

absl::StatusOr<Fd> MakeVersion(std::string_view content, std::int64_t version) {
  Fd fd(memfd_create("livekit-token-tls", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const timespec times[2] = {{version, 0}, {version, 0}};
  if (!fd.valid() || !Write(fd.get(), content) || futimens(fd.get(), times) != 0 ||
      fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    return absl::ResourceExhaustedError("the system has no memory or descriptors left for a file in memory");
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PublishedFile>> PublishedFile::Create(std::string_view content) {
  LKT_ASSIGN_OR_RETURN(Fd fd, MakeVersion(content, 1));
  return std::unique_ptr<PublishedFile>(new PublishedFile(std::move(fd)));
}

PublishedFile::~PublishedFile() {
  auto empty = Stage("");
  if (empty.ok()) Publish(*std::move(empty));
}

absl::StatusOr<Fd> PublishedFile::Stage(std::string_view content) { return MakeVersion(content, ++version_); }

void PublishedFile::Publish(Fd staged) {
  // Atomic: whoever opens the path gets the old file or the new one. Both numbers are ours, so that only a signal, or
  // the kernel's table of descriptors being changed by another thread, can be in the way.
  while (dup3(staged.get(), fd_, O_CLOEXEC) < 0 && (errno == EINTR || errno == EBUSY)) {
  }
}

}  // namespace livekit::token::http
