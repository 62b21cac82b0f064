// PEM files for TLS that another library speaks: the same rules as for our own listener (tls.h).
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/secret.h"
#include "service/config.h"

namespace livekit::token::http {

// A certificate with its chain, and its private key, as PEM text.
struct TlsIdentity {
  std::string certificates;
  Secret key;
};

// Reads both files. Errors: those of TlsContext::Check as one text that names the files. A certificate that is expired
// or not yet valid is logged and taken.
absl::StatusOr<TlsIdentity> ReadTlsIdentity(const std::string& cert_file, const std::string& key_file);

// What is wrong with a file of authorities' certificates, with `path` as its place in the configuration: cannot be
// read, holds none or one that cannot be read. Empty if nothing is.
ConfigProblems CheckAuthorities(const std::string& path, const std::string& file);

}  // namespace livekit::token::http
