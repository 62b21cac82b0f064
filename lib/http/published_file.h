// Files for a library that only reads files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "http/socket.h"

namespace livekit::token::http {

// A file in memory that readers open by a path which stays the same, and whose content is replaced as a whole: who has
// opened it reads the content of that moment to its end. Each version has its own time of modification, one second
// later than the one before, so that gRPC, which looks at it before and after it reads a key and a certificate, notices
// that the file was replaced in between however soon that was.
//
// Only this process can open the path. Who still opens it after the destruction finds an empty file: the descriptor
// stays open for as long as the process lives, since gRPC does not tell when it has stopped watching, and its number
// must not become that of some other file. So have few of these.
//
// Thread safety: the file may be read at any time; the methods are for one thread at a time.
class PublishedFile {
 public:
  // Errors: no memory or descriptors are left.
  static absl::StatusOr<std::unique_ptr<PublishedFile>> Create(std::string_view content);
  ~PublishedFile();
  PublishedFile(const PublishedFile&) = delete;
  PublishedFile& operator=(const PublishedFile&) = delete;

  // Makes the next version, which nobody sees before Publish. Errors: no memory or descriptors are left.
  absl::StatusOr<Fd> Stage(std::string_view content);
  // Replaces the content by what was staged.
  void Publish(Fd staged);

  const std::string& path() const { return path_; }

 private:
  explicit PublishedFile(Fd fd) : fd_(fd.Release()), path_("/proc/self/fd/" + std::to_string(fd_)) {}

  const int fd_;  // never closed
  const std::string path_;
  std::int64_t version_ = 1;  // the latest that was staged
};

}  // namespace livekit::token::http
