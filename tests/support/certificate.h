// Certificates that tests make for themselves.
#pragma once

#include <string>

#include "support/program.h"

namespace livekit::token::testing {

enum class KeyKind { kP256, kRsa2048, kRsa1024 };

struct CertificateOptions {
  KeyKind kind = KeyKind::kP256;
  // Seconds from now.
  long not_before = -3600;
  long not_after = 3600;
  std::string passphrase;  // of the key; none if empty
  // The key in the form of before PKCS #8, such as `RSA PRIVATE KEY`.
  bool traditional = false;
};

struct CertificateFiles {
  std::string cert_file;
  std::string key_file;
};

// Writes `name`.crt and `name`.key into the folder: a certificate for localhost, 127.0.0.1 and ::1 that is signed with
// its own key.
CertificateFiles WriteCertificate(const TempFolder& folder, const std::string& name,
                                  const CertificateOptions& options = {});

}  // namespace livekit::token::testing
