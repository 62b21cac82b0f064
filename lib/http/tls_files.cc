#include "http/tls_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <utility>

#include "base/status.h"

namespace livekit::token::http {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using BioPtr = std::unique_ptr<BIO, FreeBio>;
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};

constexpr std::size_t kMaxPemBytes = 1 << 20;

int RefusePassphrase(char*, int, int, void*) { return -1; }

}  // namespace

std::optional<TlsIdentity> ReadTlsIdentity(const std::string& cert_file, const std::string& key_file,
                                           const FileReader& read, ConfigProblems& problems) {
  const auto context = TlsContext::FromFiles(cert_file, key_file, read, problems);
  if (context == nullptr) return std::nullopt;
  auto identity = context->Identity();
  if (identity.ok()) return *std::move(identity);
  problems.push_back({"key_file", key_file + ": " + std::string(identity.status().message())});
  return std::nullopt;
}

std::optional<std::string> ReadAuthorities(const std::string& path, const std::string& file, const FileReader& read,
                                           ConfigProblems& problems) {
  const auto fail = [&](std::string message) {
    problems.push_back({path, std::move(message)});
    return std::nullopt;
  };
  const auto text = read(file, kMaxPemBytes);
  if (!text.ok()) return fail(std::string(text.status().message()));
  const BioPtr pem(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  const BioPtr taken(BIO_new(BIO_s_mem()));
  ERR_clear_error();
  while (const std::unique_ptr<X509, FreeCertificate> certificate{
      PEM_read_bio_X509(pem.get(), nullptr, RefusePassphrase, nullptr)}) {
    if (PEM_write_bio_X509(taken.get(), certificate.get()) != 1) break;
  }
  const unsigned long error = ERR_peek_last_error();
  const bool reached_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!reached_end) return fail(file + ": holds a certificate that cannot be read");
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(taken.get(), &data));
  if (size == 0) return fail(file + ": holds no certificate in PEM form");
  return std::string(data, size);
}

ConfigProblems CheckAuthorities(const std::string& path, const std::string& file, const FileReader& read) {
  ConfigProblems problems;
  ReadAuthorities(path, file, read, problems);
  return problems;
}

absl::Status TlsFilesError(const ConfigProblems& problems) {
  std::string text;
  for (const ConfigProblem& problem : problems) text += (text.empty() ? "" : "; ") + problem.message;
  return absl::Status(absl::StatusCode::kFailedPrecondition, Sv(text));
}

}  // namespace livekit::token::http
