// The record of decisions as lines of a file or of the log.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "server/audit.h"
#include "service/config.h"
#include "service/line_writer.h"

namespace livekit::token {

// What is wrong with `audit` of `config`, with paths.
ConfigProblems CheckAudit(const config::v1::ServerConfig& config);

// Writes each event as a line of JSON, in the order in which they came. Nobody waits for the disk: where requests wait
// for their record, they are answered by the thread that writes.
//
// Thread safety: all methods may be called concurrently, apart from Open.
class AuditLog final : public Audit {
 public:
  AuditLog();
  ~AuditLog() override;

  // Opens the file for appending, or standard error if there is none; to be called once, before Record. A file that is
  // not there is made, for its owner alone: it says who was where. Errors: FailedPrecondition with the path.
  absl::Status Open(const config::v1::Audit& config);
  // Opens the file anew, for whoever has moved it away (log rotation). Errors: those of Open; what was open stays so.
  absl::Status Reopen();

  bool blocking() const override { return blocking_; }
  void Record(std::span<const AuditEvent> events, Time time, std::function<void(bool)> done) override;
  // Events that were not recorded.
  std::uint64_t dropped() const;

 private:
  std::string file_;
  bool blocking_ = false;
  std::unique_ptr<LineWriter> writer_;  // null before Open
};

}  // namespace livekit::token
