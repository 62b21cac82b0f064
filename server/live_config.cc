#include "server/live_config.h"

#include <utility>
#include <vector>

#include "google/protobuf/util/message_differencer.h"
#include "service/log.h"
#include "service/process.h"

namespace livekit::token {
namespace {

using google::protobuf::util::MessageDifferencer;

// Says which parts of `next` have no effect yet.
void LogRestartNeeded(const config::v1::ServerConfig& running, const config::v1::ServerConfig& next) {
  const auto warn = [](std::string_view path) {
    Log(LogLevel::kWarn, "restart_needed", {{"path", path}, {"hint", "has changed, and is read only at the start"}});
  };
  if (!MessageDifferencer::Equals(running.listen(), next.listen())) warn("listen");
  if (!MessageDifferencer::Equals(running.drain(), next.drain())) warn("drain");
  if (!MessageDifferencer::Equals(running.audit(), next.audit())) warn("audit");
  if (running.reflection() != next.reflection()) warn("reflection");
}

std::vector<KeyMetrics> MetricsOf(const std::vector<KeyStatus>& keys) {
  std::vector<KeyMetrics> result;
  for (const KeyStatus& key : keys) {
    result.push_back({key.project, key.key_id, KeyStateName(key.state), key.latest_expiry, key.remove_here});
  }
  return result;
}

}  // namespace

LiveConfig::LiveConfig(Prepare prepare, const Clock& clock, Metrics& metrics, AuditLog& audit, std::string file)
    : prepare_(std::move(prepare)),
      file_(std::move(file)),
      clock_(clock),
      metrics_(metrics),
      audit_(audit),
      startup_(prepare_({&first_files_, &ledger_, &jwks_, &metrics_})) {
  if (startup_.state == nullptr) return;
  Use(startup_.state, first_files_);
  metrics_.SetServerSource([this] {
    return ServerStatus{MetricsOf(keys()), authorities_->Current()->KeyStates(), load_->in_flight, audit_.dropped()};
  });
}

LiveConfig::~LiveConfig() {
  Stop();
  metrics_.SetServerSource(nullptr);
}

void LiveConfig::Watch(TakeOver take_over) {
  const std::lock_guard lock(mutex_);
  startup_.state = nullptr;  // would outlive its authority, with key sources that go on fetching
  ReloaderOptions options;
  options.file = file_;
  reloader_ = std::make_unique<Reloader>(
      first_files_, [this, take_over = std::move(take_over)](FileSnapshot& files) { return Apply(files, take_over); },
      [this] { authorities_->Tidy(); }, metrics_, options);
}

void LiveConfig::Stop() {
  std::unique_ptr<Reloader> last;  // ends without the lock, which what it does may need
  const std::lock_guard lock(mutex_);
  last = std::move(reloader_);
}

void LiveConfig::Reload() {
  const std::lock_guard lock(mutex_);
  if (reloader_ != nullptr) reloader_->Reload();
}

Reloader::State LiveConfig::state() const {
  const std::lock_guard lock(mutex_);
  return reloader_ == nullptr ? Reloader::State() : reloader_->state();
}

ConfigProblems LiveConfig::Apply(FileSnapshot& files, const TakeOver& take_over) {
  // Whoever rotates logs moves the file away and sends SIGHUP, also while a configuration is refused.
  if (const auto status = audit_.Reopen(); !status.ok()) {
    const std::string error(status.message());
    Log(LogLevel::kError, "audit_reopen_failed", {{"error", std::string_view(error)}});
  }
  const ServerStartup next = prepare_({&files, &ledger_, &jwks_, &metrics_});
  if (next.state == nullptr) return next.problems;
  ConfigProblems problems = take_over(files);
  if (!problems.empty()) return problems;
  LogWarnings(next.warnings);
  LogRestartNeeded(startup_.config, next.config);
  (void)SetLogLevel(next.config.log_level());  // has been checked
  Use(next.state, files);
  return {};
}

void LiveConfig::Use(const std::shared_ptr<const AuthorityState>& state, const FileSnapshot& files) {
  auto authority = std::make_shared<const TokenAuthority>(state, clock_, metrics_,
                                                          AuthorityOptions{&audit_, files.Fingerprint(), load_});
  if (authorities_ == nullptr) {
    authorities_ = std::make_unique<Authorities>(std::move(authority));
  } else {
    authorities_->Replace(std::move(authority));
  }
  ledger_.Use(state->projects, clock_.Now());
}

http::AdminPage KeysPage(LiveConfig& config) { return {"application/json", KeysAsJson(config.keys())}; }

}  // namespace livekit::token
