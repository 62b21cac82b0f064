// The files of a certificate and its key.
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/tls.h"
#include "support/certificate.h"
#include "support/status_matchers.h"

namespace livekit::token::http {
namespace {

using testing::CertificateFiles;
using testing::CertificateOptions;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::KeyKind;
using ::testing::Not;
using testing::TempFolder;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class TlsFilesTest : public ::testing::Test {
 protected:
  CertificateFiles Make(const std::string& name, KeyKind kind = KeyKind::kP256) {
    CertificateOptions options;
    options.kind = kind;
    return WriteCertificate(folder_, name, options);
  }

  static void ExpectTaken(const std::string& cert_file, const std::string& key_file) {
    EXPECT_OK(TlsContext::FromFiles(cert_file, key_file));
    EXPECT_THAT(TlsContext::Check(cert_file, key_file), IsEmpty());
  }

  // Exactly one problem, at `path`, that names the file and says `what`; the start fails with the same words.
  static void ExpectRefused(const std::string& cert_file, const std::string& key_file, const std::string& path,
                            const std::string& what) {
    const ConfigProblems problems = TlsContext::Check(cert_file, key_file);
    ASSERT_EQ(problems.size(), 1u) << what << FormatProblems("", problems);
    EXPECT_EQ(problems[0].path, path);
    EXPECT_THAT(problems[0].message, HasSubstr(what));
    EXPECT_THAT(problems[0].message, HasSubstr(path == "cert_file" ? cert_file : key_file));
    ExpectNoContent(problems[0].message, cert_file, key_file);
    const auto context = TlsContext::FromFiles(cert_file, key_file);
    ASSERT_FALSE(context.ok());
    EXPECT_EQ(std::string(context.status().message()), problems[0].message);
  }

  // No run of the files' text is in the message.
  static void ExpectNoContent(const std::string& message, const std::string& cert_file, const std::string& key_file) {
    for (const std::string& file : {cert_file, key_file}) {
      const std::string content = Read(file).substr(0, 5000);
      for (std::size_t at = 0; at + 24 <= content.size(); ++at) {
        ASSERT_THAT(message, Not(HasSubstr(content.substr(at, 24))));
      }
    }
  }

  TempFolder folder_;
};

TEST_F(TlsFilesTest, TakesRsaAndEcdsa) {
  const auto rsa = Make("rsa", KeyKind::kRsa2048);
  ExpectTaken(rsa.cert_file, rsa.key_file);
  const auto ecdsa = Make("ecdsa");
  ExpectTaken(ecdsa.cert_file, ecdsa.key_file);
}

TEST_F(TlsFilesTest, TakesTheFormsThatToolsWrite) {
  for (const KeyKind kind : {KeyKind::kP256, KeyKind::kRsa2048}) {
    CertificateOptions options;
    options.kind = kind;
    options.traditional = true;
    const auto files = WriteCertificate(folder_, "traditional", options);
    ASSERT_THAT(Read(files.key_file), HasSubstr(kind == KeyKind::kP256 ? "EC PRIVATE KEY" : "RSA PRIVATE KEY"));
    ExpectTaken(files.cert_file, files.key_file);
    // One file for both, in either order, with words before the first block.
    const std::string cert = Read(files.cert_file);
    const std::string key = Read(files.key_file);
    for (const std::string& text : {"Certificate of localhost\n" + cert + key, key + cert}) {
      const std::string both = folder_.Write("both.pem", text);
      ExpectTaken(both, both);
    }
  }
  // `openssl ecparam -genkey` puts the name of the curve (here P-256) into a block of its own.
  CertificateOptions options;
  options.traditional = true;
  const auto files = WriteCertificate(folder_, "ec", options);
  const std::string parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  ExpectTaken(files.cert_file, folder_.Write("parameters.key", parameters + Read(files.key_file)));
  ExpectRefused(files.cert_file, folder_.Write("only.key", parameters), "key_file", "holds no private key");
}

TEST_F(TlsFilesTest, TakesTheIntermediateCertificatesBehindTheServersOwn) {
  const auto own = Make("own");
  const auto other = Make("other");
  const std::string chain = Read(own.cert_file) + Read(other.cert_file);
  ExpectTaken(folder_.Write("chain.crt", chain), own.key_file);
  ExpectRefused(folder_.Write("cut.crt", chain.substr(0, chain.size() - 200)), own.key_file, "cert_file",
                "intermediate certificate that cannot be read");
  ExpectRefused(folder_.Write("weak.crt", Read(own.cert_file) + Read(Make("small", KeyKind::kRsa1024).cert_file)),
                own.key_file, "cert_file", "intermediate certificate that is too weak");
  ExpectRefused(folder_.Write("order.crt", Read(other.cert_file) + Read(own.cert_file)), own.key_file, "key_file",
                "must come first");
}

TEST_F(TlsFilesTest, RefusesWhatCannotBeRead) {
  const auto files = Make("good");
  const std::string missing = folder_.path() + "/missing";
  ExpectRefused(missing, files.key_file, "cert_file", missing);
  ExpectRefused(files.cert_file, missing, "key_file", missing);
  ExpectRefused(folder_.path(), files.key_file, "cert_file", folder_.path());
  ExpectRefused(files.cert_file, folder_.path(), "key_file", folder_.path());
  const std::string large = folder_.Write("large", std::string((1 << 20) + 1, 'x'));
  ExpectRefused(large, files.key_file, "cert_file", "too large");
  ExpectRefused(files.cert_file, large, "key_file", "too large");
  const auto problems = TlsContext::Check(missing, missing);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].path, "cert_file");
  EXPECT_EQ(problems[1].path, "key_file");
}

TEST_F(TlsFilesTest, RefusesWhatIsNotPem) {
  const auto files = Make("good");
  const std::string cert = Read(files.cert_file);
  const std::string key = Read(files.key_file);
  for (const std::string& text : {std::string(), std::string("\n"), std::string("certificate"), std::string(1000, '\0'),
                                  std::string("-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE "
                                              "REQUEST-----\n")}) {
    ExpectRefused(folder_.Write("no.crt", text), files.key_file, "cert_file", "holds no certificate in PEM form");
    ExpectRefused(files.cert_file, folder_.Write("no.key", text), "key_file", "holds no private key in PEM form");
  }
  const std::string begin = "-----BEGIN CERTIFICATE-----\n";
  const std::string end = "-----END CERTIFICATE-----\n";
  for (const std::string& text : {begin + "AAAA\n" + end, begin + "!!!!\n" + end, begin, begin + end,
                                  cert.substr(0, cert.size() / 2), cert.substr(0, cert.size() - 30)}) {
    ExpectRefused(folder_.Write("bad.crt", text), files.key_file, "cert_file", "certificate that cannot be read");
  }
  for (const std::string& text :
       {key.substr(0, key.size() / 2), std::string("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        std::string("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
                    "-----END PUBLIC KEY-----\n")}) {
    ExpectRefused(files.cert_file, folder_.Write("bad.key", text), "key_file", "holds no private key in PEM form");
  }
}

TEST_F(TlsFilesTest, SaysThatTheFilesAreSwapped) {
  const auto files = Make("good");
  const auto problems = TlsContext::Check(files.key_file, files.cert_file);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].path, "cert_file");
  EXPECT_THAT(problems[0].message, HasSubstr("swapped"));
  EXPECT_EQ(problems[1].path, "key_file");
  EXPECT_THAT(problems[1].message, HasSubstr("swapped"));
  const auto context = TlsContext::FromFiles(files.key_file, files.cert_file);
  ASSERT_FALSE(context.ok());
  EXPECT_EQ(std::string(context.status().message()), problems[0].message + "; " + problems[1].message);
}

TEST_F(TlsFilesTest, RefusesTheKeyOfAnotherCertificate) {
  const auto ecdsa = Make("ecdsa");
  const auto rsa = Make("rsa", KeyKind::kRsa2048);
  ExpectRefused(ecdsa.cert_file, Make("ecdsa2").key_file, "key_file", "not the one of the certificate");
  ExpectRefused(rsa.cert_file, Make("rsa2", KeyKind::kRsa2048).key_file, "key_file", "not the one of the certificate");
  ExpectRefused(ecdsa.cert_file, rsa.key_file, "key_file", "not the one of the certificate");
}

TEST_F(TlsFilesTest, RefusesAKeyWithPassphraseWithoutAskingForIt) {
  for (const bool traditional : {false, true}) {
    CertificateOptions options;
    options.kind = KeyKind::kRsa2048;
    options.passphrase = "correct horse";
    options.traditional = traditional;
    const auto files = WriteCertificate(folder_, "locked", options);
    ASSERT_THAT(Read(files.key_file), HasSubstr("ENCRYPTED"));
    ExpectRefused(files.cert_file, files.key_file, "key_file", "passphrase");
  }
}

TEST_F(TlsFilesTest, RefusesAWeakCertificate) {
  const auto files = Make("small", KeyKind::kRsa1024);
  ExpectRefused(files.cert_file, files.key_file, "cert_file", "too weak");
}

TEST_F(TlsFilesTest, TakesACertificateOutsideItsTimeWithAWarning) {
  const auto log_of = [&](long not_before, long not_after) {
    CertificateOptions options;
    options.not_before = not_before;
    options.not_after = not_after;
    const auto files = WriteCertificate(folder_, "times", options);
    ::testing::internal::CaptureStderr();
    EXPECT_THAT(TlsContext::Check(files.cert_file, files.key_file), IsEmpty());
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "") << "a check is no start";
    ::testing::internal::CaptureStderr();
    EXPECT_OK(TlsContext::FromFiles(files.cert_file, files.key_file));
    std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, ::testing::AnyOf(IsEmpty(), HasSubstr(files.cert_file)));
    EXPECT_LE(std::count(log.begin(), log.end(), '\n'), 1);
    return log;
  };
  EXPECT_EQ(log_of(-3600, 3600), "");
  EXPECT_THAT(log_of(-7200, -3600), HasSubstr("tls_certificate_expired"));
  EXPECT_THAT(log_of(3600, 7200), HasSubstr("tls_certificate_not_yet_valid"));
}

}  // namespace
}  // namespace livekit::token::http
