#include "server/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/status/statusor.h"
#include "base/status.h"

namespace livekit::token {
namespace {

// The descriptor that events are written to.
absl::StatusOr<int> OpenFile(const std::string& file) {
  const int fd = file.empty() ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                              : ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
  if (fd >= 0) return fd;
  return absl::FailedPreconditionError("audit.file: " + file + " cannot be opened for appending: " + strerror(errno));
}

}  // namespace

ConfigProblems CheckAudit(const config::v1::ServerConfig& config) {
  ConfigProblems problems;
  const config::v1::Audit& audit = config.audit();
  if (audit.hash_names() && config.hmac_key_file().empty()) {
    problems.push_back({"audit.hash_names", "needs `hmac_key_file`; without a key anybody could find out the names"});
  }
  if (audit.file().empty()) return problems;
  const std::filesystem::path path(audit.file());
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    problems.push_back({"audit.file", audit.file() + " is a folder"});
  } else if (!std::filesystem::is_directory(std::filesystem::absolute(path, error).parent_path(), error)) {
    problems.push_back({"audit.file", audit.file() + " is in a folder that is not there"});
  }
  return problems;
}

AuditLog::AuditLog() = default;
AuditLog::~AuditLog() = default;

absl::Status AuditLog::Open(const config::v1::Audit& config) {
  file_ = config.file();
  blocking_ = config.blocking();
  LKT_ASSIGN_OR_RETURN(const int fd, OpenFile(file_));
  writer_ = std::make_unique<LineWriter>(fd);
  return absl::OkStatus();
}

absl::Status AuditLog::Reopen() {
  if (writer_ == nullptr || file_.empty()) return absl::OkStatus();
  LKT_ASSIGN_OR_RETURN(const int fd, OpenFile(file_));
  writer_->Reopen(fd);
  return absl::OkStatus();
}

void AuditLog::Record(std::span<const AuditEvent> events, Time time, std::function<void(bool)> done) {
  // Before Open there is nowhere to record, and nobody whom anything is decided for.
  if (writer_ == nullptr) return done(false);
  thread_local Buffer lines;  // so that in the long run a line allocates nothing here
  lines.Clear();
  for (const AuditEvent& event : events) {
    if (!lines.view().empty()) lines.Append("\n");
    AppendAuditEvent(event, time, lines);
    if (blocking_) continue;
    writer_->Write(lines.view());
    lines.Clear();
  }
  if (!blocking_) return done(true);
  writer_->Record(lines.view(), std::move(done));
  constexpr std::size_t kKeptBytes = 64 * 1024;
  lines.ShrinkTo(kKeptBytes);  // after a batch of thousands
}

std::uint64_t AuditLog::dropped() const { return writer_ == nullptr ? 0 : writer_->dropped(); }

}  // namespace livekit::token
