// Certificates for gRPC, replaced while it serves.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "http/published_file.h"
#include "http/tls.h"
#include "service/config.h"
#include "service/metrics.h"

namespace livekit::token::http {

// Where the configuration names files of TLS. Empty files are not there; a certificate always has its key.
struct TlsPaths {
  std::string cert_file;
  std::string key_file;
  std::string authorities_file;
  std::string authorities_field;  // the name of that field, such as `ca_file`
};

// What a TLS endpoint shows and whom it believes, checked and then published as files for gRPC's own watcher of
// certificates. gRPC 1.51 does not look whether a key belongs to a certificate, takes files that are half written, and
// then refuses every handshake; so it never sees the operator's files.
//
// Thread safety: all methods may be called concurrently.
class PublishedTls {
 public:
  // Reads the files. Sets tls_certificate_not_after_timestamp_seconds of `role` in `metrics` (null: none), if there is
  // a certificate. Null exactly if something is wrong; all of it is appended to `problems`, with the paths `cert_file`,
  // `key_file` and `authorities_field`, and never with what is in the files.
  static std::unique_ptr<PublishedTls> Create(TlsPaths paths, std::string role, Metrics* metrics,
                                              const FileReader& read, ConfigProblems& problems);

  // Reads the same files anew and publishes all of them, or, if anything is wrong with one, none. Returns the problems.
  ConfigProblems Reload(const FileReader& read);

  // Paths of what is published, for as long as this object lives; empty if there is no such file. The first holds the
  // key and the certificates together, so that they cannot come apart.
  std::string identity_path() const { return identity_ ? identity_->path() : ""; }
  std::string authorities_path() const { return authorities_ ? authorities_->path() : ""; }

 private:
  // What was read.
  struct Content {
    std::optional<TlsIdentity> identity;
    std::optional<std::string> authorities;
  };

  PublishedTls(TlsPaths paths, std::string role, Metrics* metrics)
      : paths_(std::move(paths)), role_(std::move(role)), metrics_(metrics) {}
  Content Read(const FileReader& read, ConfigProblems& problems) const;
  void Report(const Content& content) const;

  const TlsPaths paths_;
  const std::string role_;
  Metrics* const metrics_;
  std::mutex mutex_;  // one reload at a time
  std::unique_ptr<PublishedFile> identity_;
  std::unique_ptr<PublishedFile> authorities_;
};

}  // namespace livekit::token::http
