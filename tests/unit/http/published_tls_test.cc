// What gRPC is given of the operator's files, and when.
#include "http/published_tls.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/tls_files.h"
#include "service/metrics.h"
#include "support/certificate.h"
#include "support/status_matchers.h"

namespace livekit::token::http {
namespace {

using testing::CertificateFiles;
using testing::CertificateOptions;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using testing::TempFolder;

constexpr char kNotPem[] = "certificate of nobody in particular";

class PublishedTlsTest : public ::testing::Test {
 protected:
  PublishedTlsTest() {
    Use("own");
    files_["/ca"] = Certificate("authority");
  }

  CertificateFiles Make(const std::string& name, const CertificateOptions& options = {}) {
    return WriteCertificate(folder_, name, options);
  }
  std::string Certificate(const std::string& name) { return *ReadFile(Make(name).cert_file); }
  // The certificate and key of this name are what the files hold from now on.
  void Use(const std::string& name, const CertificateOptions& options = {}) {
    const auto files = Make(name, options);
    files_["/crt"] = *ReadFile(files.cert_file);
    files_["/key"] = *ReadFile(files.key_file);
  }

  // Files that are in no file system, so that everything must go through the reader.
  absl::StatusOr<std::string> Read(const std::string& path, std::size_t) {
    ++reads_[path];
    const auto it = files_.find(path);
    if (it == files_.end()) return absl::NotFoundError(path + ": does not exist");
    return it->second;
  }
  FileReader Reader() {
    return [this](const std::string& path, std::size_t max_bytes) { return Read(path, max_bytes); };
  }

  std::unique_ptr<PublishedTls> Create(const TlsPaths& paths = {"/crt", "/key", "/ca", "ca_file"}) {
    ConfigProblems problems;
    auto tls = PublishedTls::Create(paths, "grpc", &metrics_, Reader(), problems);
    EXPECT_EQ(tls == nullptr, !problems.empty());
    return tls;
  }

  // The reload is refused with one problem at `path`, which names `file` and says `what`; nothing has changed.
  void ExpectRefused(PublishedTls& tls, const std::string& path, const std::string& file, const std::string& what) {
    const std::string identity = *ReadFile(tls.identity_path());
    const std::string authorities = *ReadFile(tls.authorities_path());
    const std::string metrics = Expiry();
    const ConfigProblems problems = tls.Reload(Reader());
    ASSERT_EQ(problems.size(), 1u) << what << FormatProblems("", problems);
    EXPECT_EQ(problems[0].path, path);
    EXPECT_THAT(problems[0].message, HasSubstr(file + ": "));
    EXPECT_THAT(problems[0].message, HasSubstr(what));
    for (const auto& [name, content] : files_) {
      for (std::size_t at = 0; at + 20 <= content.size(); ++at) {
        ASSERT_THAT(problems[0].message, Not(HasSubstr(content.substr(at, 20))));
      }
    }
    EXPECT_EQ(*ReadFile(tls.identity_path()), identity) << what;
    EXPECT_EQ(*ReadFile(tls.authorities_path()), authorities) << what;
    EXPECT_EQ(Expiry(), metrics) << what;
  }

  // The line of the metric.
  std::string Expiry() const {
    const std::string text = metrics_.Serialize();
    const std::size_t at = text.find("\ntls_certificate_not_after_timestamp_seconds{");
    return at == text.npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  }

  TempFolder folder_;
  std::map<std::string, std::string> files_;
  std::map<std::string, int> reads_;
  Metrics metrics_;
};

TEST_F(PublishedTlsTest, PublishesTheKeyAndTheCertificatesInOneFile) {
  files_["/crt"] += Certificate("intermediate");
  const auto tls = Create();
  ASSERT_NE(tls, nullptr);
  EXPECT_EQ(*ReadFile(tls->identity_path()), files_["/key"] + files_["/crt"]);
  EXPECT_EQ(*ReadFile(tls->authorities_path()), files_["/ca"]);
}

TEST_F(PublishedTlsTest, PublishesOnlyWhatIsThere) {
  const auto no_authorities = Create({"/crt", "/key", "", "ca_file"});
  ASSERT_NE(no_authorities, nullptr);
  EXPECT_NE(no_authorities->identity_path(), "");
  EXPECT_EQ(no_authorities->authorities_path(), "");
  EXPECT_THAT(no_authorities->Reload(Reader()), IsEmpty());
  metrics_.TlsCertificate("grpc", {});
  const auto no_identity = Create({"", "", "/ca", "ca_file"});
  ASSERT_NE(no_identity, nullptr);
  EXPECT_EQ(no_identity->identity_path(), "");
  EXPECT_NE(no_identity->authorities_path(), "");
  EXPECT_THAT(no_identity->Reload(Reader()), IsEmpty());
  EXPECT_THAT(Expiry(), HasSubstr("} 0")) << "a certificate that is not there does not end";
}

// Text, keys and certificates that the files hold besides would otherwise be taken instead of what was checked.
TEST_F(PublishedTlsTest, PublishesNothingButWhatWasChecked) {
  const std::string certificate = files_["/crt"];
  const std::string key = files_["/key"];
  const std::string authorities = files_["/ca"];
  const auto other = Make("other");
  files_["/crt"] = "words\n" + *ReadFile(other.key_file) + certificate;
  files_["/key"] = *ReadFile(other.cert_file) + key + *ReadFile(other.key_file);
  files_["/ca"] = "words\n" + *ReadFile(other.key_file) + authorities + "\nand more";
  const auto tls = Create();
  ASSERT_NE(tls, nullptr);
  EXPECT_EQ(*ReadFile(tls->identity_path()), key + certificate);
  EXPECT_EQ(*ReadFile(tls->authorities_path()), authorities);
}

TEST_F(PublishedTlsTest, ReadsEveryFileOnceSoThatItPublishesWhatItChecked) {
  const auto tls = Create();
  EXPECT_THAT(reads_, ElementsAre(Pair("/ca", 1), Pair("/crt", 1), Pair("/key", 1)));
  tls->Reload(Reader());
  EXPECT_THAT(reads_, ElementsAre(Pair("/ca", 2), Pair("/crt", 2), Pair("/key", 2)));
}

TEST_F(PublishedTlsTest, ReplacesEverythingAtTheSamePaths) {
  const auto tls = Create();
  const std::string identity_path = tls->identity_path();
  const std::string authorities_path = tls->authorities_path();
  Use("next");
  files_["/ca"] += Certificate("next authority");
  EXPECT_THAT(tls->Reload(Reader()), IsEmpty());
  EXPECT_EQ(*ReadFile(identity_path), files_["/key"] + files_["/crt"]);
  EXPECT_EQ(*ReadFile(authorities_path), files_["/ca"]);
  EXPECT_EQ(tls->identity_path(), identity_path);
  EXPECT_EQ(tls->authorities_path(), authorities_path);
}

TEST_F(PublishedTlsTest, ChangesNothingIfAnyFileIsBad) {
  const auto tls = Create();
  ASSERT_NE(tls, nullptr);
  const auto good = files_;
  const auto next = Make("next");
  const std::string certificate = *ReadFile(next.cert_file);
  const std::string key = *ReadFile(next.key_file);
  CertificateOptions locked;
  locked.passphrase = "correct horse battery staple";
  const std::string locked_key = *ReadFile(Make("locked", locked).key_file);
  const struct {
    const char* file;
    std::string content;  // "absent" for no file
    const char* path;
    const char* named;
    const char* what;
  } cases[] = {
      {"/crt", certificate, "key_file", "/key", "not the one of the certificate in /crt"},
      {"/key", key, "key_file", "/key", "not the one of the certificate"},
      {"/crt", certificate.substr(0, certificate.size() / 2), "cert_file", "/crt", "cannot be read"},
      {"/key", key.substr(0, key.size() / 2), "key_file", "/key", "no private key"},
      {"/key", locked_key, "key_file", "/key", "passphrase"},
      {"/crt", "", "cert_file", "/crt", "no certificate"},
      {"/key", "", "key_file", "/key", "no private key"},
      {"/ca", "", "ca_file", "/ca", "no certificate"},
      {"/crt", kNotPem, "cert_file", "/crt", "no certificate"},
      {"/ca", kNotPem, "ca_file", "/ca", "no certificate"},
      {"/ca", certificate.substr(0, certificate.size() / 2), "ca_file", "/ca", "cannot be read"},
      {"/ca", certificate + certificate.substr(0, certificate.size() - 40), "ca_file", "/ca", "cannot be read"},
      {"/crt", "absent", "cert_file", "/crt", "does not exist"},
      {"/key", "absent", "key_file", "/key", "does not exist"},
      {"/ca", "absent", "ca_file", "/ca", "does not exist"},
  };
  for (const auto& bad : cases) {
    // The others are new and good, which must not help them.
    files_ = good;
    if (std::string(bad.file) == "/ca") {
      files_["/crt"] = certificate;
      files_["/key"] = key;
    } else {
      files_["/ca"] = certificate;
    }
    files_[bad.file] = bad.content;
    if (bad.content == "absent") files_.erase(bad.file);
    ExpectRefused(*tls, bad.path, bad.named, bad.what);
  }
  files_ = good;
  Use("mended");
  EXPECT_THAT(tls->Reload(Reader()), IsEmpty());
  EXPECT_EQ(*ReadFile(tls->identity_path()), files_["/key"] + files_["/crt"]);
}

TEST_F(PublishedTlsTest, TellsAllProblemsAtOnceAndStartsWithNone) {
  files_["/key"] = "";
  files_.erase("/ca");
  ConfigProblems problems;
  EXPECT_EQ(PublishedTls::Create({"/crt", "/key", "/ca", "client_ca_file"}, "grpc", &metrics_, Reader(), problems),
            nullptr);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].path, "key_file");
  EXPECT_EQ(problems[1].path, "client_ca_file");
  EXPECT_EQ(Expiry(), "");
  const std::string text(TlsFilesError(problems).message());
  EXPECT_EQ(text, problems[0].message + "; " + problems[1].message);
}

TEST_F(PublishedTlsTest, SaysUntilWhenTheCertificateIsValid) {
  const auto seconds = [this] {
    const std::string line = Expiry();
    EXPECT_THAT(line, HasSubstr("{role=\"grpc\"} "));
    return std::stod(line.substr(line.rfind(' ')));
  };
  const auto now = static_cast<double>(time(nullptr));
  const auto tls = Create();
  EXPECT_NEAR(seconds(), now + 3600, 30);
  CertificateOptions options;
  options.not_after = 90 * 86400;
  Use("next", options);
  EXPECT_THAT(tls->Reload(Reader()), IsEmpty());
  EXPECT_NEAR(seconds(), now + 90 * 86400, 30);
  // What RFC 5280 has for certificates without end.
  options.not_after = 253402300799 - time(nullptr);
  Use("for ever", options);
  EXPECT_THAT(tls->Reload(Reader()), IsEmpty());
  EXPECT_NEAR(seconds(), 253402300799.0, 30);
  options.not_after = -60;
  Use("expired", options);
  EXPECT_THAT(tls->Reload(Reader()), IsEmpty()) << "clients decide about it";
  EXPECT_NEAR(seconds(), now - 60, 30);
}

}  // namespace
}  // namespace livekit::token::http
