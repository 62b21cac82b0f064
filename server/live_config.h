// The configuration of a running token server, through all its reloads.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "http/admin.h"
#include "server/audit_log.h"
#include "server/authn/jwks_pool.h"
#include "server/authorities.h"
#include "server/key_ledger.h"
#include "server/startup.h"
#include "service/file_snapshot.h"
#include "service/metrics.h"
#include "service/reloader.h"

namespace livekit::token {

// Reads a configuration, and then, when its files change, the next ones. Each is checked as at the start and taken into
// use as a whole or not at all. What outlives one configuration is here: keys that have been fetched, what is known of
// signing keys, and who has asked how often.
//
// Thread safety: all methods may be called concurrently, unless stated otherwise.
class LiveConfig {
 public:
  // Reads everything anew: the configuration file and all files that it names, through `shared.files`.
  using Prepare = std::function<ServerStartup(const SharedParts& shared)>;
  // Takes over what else changes with a configuration, such as certificates, or says why it cannot.
  using TakeOver = std::function<ConfigProblems(FileSnapshot& files)>;

  // Reads the first configuration, about which startup() tells. `audit`, where decisions are recorded, `clock` and
  // `metrics` must outlive the object. `file` is the configuration file, for messages; empty if there is none.
  LiveConfig(Prepare prepare, const Clock& clock, Metrics& metrics, AuditLog& audit, std::string file = "");
  ~LiveConfig();
  LiveConfig(const LiveConfig&) = delete;
  LiveConfig& operator=(const LiveConfig&) = delete;

  // The first configuration; without its state after Watch. If it has problems, only the destructor may be called.
  const ServerStartup& startup() const { return startup_; }
  Authorities& authorities() { return *authorities_; }
  // Begins to look for changes; to be called once. `take_over` is called on another thread until Stop or the destructor
  // returns.
  void Watch(TakeOver take_over);
  // Ends that.
  void Stop();
  // Reads everything anew soon, whether or not something has changed. Nothing happens before Watch and after Stop.
  void Reload();
  // Of what is in use.
  Reloader::State state() const;
  std::vector<KeyStatus> keys() { return ledger_.Status(clock_.Now()); }

 private:
  ConfigProblems Apply(FileSnapshot& files, const TakeOver& take_over);
  void Use(const std::shared_ptr<const AuthorityState>& state, const FileSnapshot& files);

  const Prepare prepare_;
  const std::string file_;
  const Clock& clock_;
  Metrics& metrics_;
  AuditLog& audit_;
  KeyLedger ledger_;
  JwksPool jwks_;
  const std::shared_ptr<Load> load_ = std::make_shared<Load>();
  FileSnapshot first_files_;
  ServerStartup startup_;
  std::unique_ptr<Authorities> authorities_;
  mutable std::mutex mutex_;
  std::unique_ptr<Reloader> reloader_;  // the pointer is guarded by mutex_
};

// The page `/debug/keys` of the admin listener.
http::AdminPage KeysPage(LiveConfig& config);

}  // namespace livekit::token
