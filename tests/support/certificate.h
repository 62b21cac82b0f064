// Certificates that tests make for themselves.
#pragma once

#include <string>
#include <vector>

#include "support/program.h"

namespace livekit::token::testing {

enum class KeyKind { kP256, kRsa2048, kRsa1024 };

struct CertificateFiles {
  std::string cert_file;
  std::string key_file;
};

struct CertificateOptions {
  KeyKind kind = KeyKind::kP256;
  // Seconds from now.
  long not_before = -3600;
  long not_after = 3600;
  std::string passphrase;  // of the key; none if empty
  // The key in the form of before PKCS #8, such as `RSA PRIVATE KEY`.
  bool traditional = false;
  // Who signs it; null: its own key.
  const CertificateFiles* issuer = nullptr;
  // Whether it may sign others.
  bool authority = false;
  std::string common_name = "localhost";
  // Its alternative names: localhost, 127.0.0.1 and ::1, and these; none at all is possible.
  bool local_names = true;
  std::vector<std::string> uri_names;  // any bytes
  std::vector<std::string> dns_names;
};

// Writes `name`.crt and `name`.key into the folder.
CertificateFiles WriteCertificate(const TempFolder& folder, const std::string& name,
                                  const CertificateOptions& options = {});

}  // namespace livekit::token::testing
