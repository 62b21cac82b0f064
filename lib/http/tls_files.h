// PEM files for TLS that another library speaks: the same rules as for our own listener (tls.h).
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "http/tls.h"
#include "service/config.h"

namespace livekit::token::http {

// Reads a certificate with its chain, and its key. The problems of TlsContext::Check are appended to `problems`;
// nothing is returned exactly if there are any. A certificate that is expired or not yet valid is logged and taken.
std::optional<TlsIdentity> ReadTlsIdentity(const std::string& cert_file, const std::string& key_file,
                                           const FileReader& read, ConfigProblems& problems);

// Reads the certificates of authorities, as PEM of nothing else. What is wrong is appended to `problems` with `path` as
// its place in the configuration: the file cannot be read, or holds none or one that cannot be read. Nothing is
// returned exactly if there is such a problem.
std::optional<std::string> ReadAuthorities(const std::string& path, const std::string& file, const FileReader& read,
                                           ConfigProblems& problems);
// The problems alone.
ConfigProblems CheckAuthorities(const std::string& path, const std::string& file, const FileReader& read = ReadFile);

// Problems as one error, FAILED_PRECONDITION with the messages alone, which name the files.
absl::Status TlsFilesError(const ConfigProblems& problems);

}  // namespace livekit::token::http
