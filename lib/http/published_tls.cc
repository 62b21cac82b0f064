#include "http/published_tls.h"

#include <utility>

#include "http/tls_files.h"

namespace livekit::token::http {

PublishedTls::Content PublishedTls::Read(const FileReader& read, ConfigProblems& problems) const {
  Content content;
  if (!paths_.cert_file.empty()) {
    content.identity = ReadTlsIdentity(paths_.cert_file, paths_.key_file, read, problems);
  }
  if (!paths_.authorities_file.empty()) {
    content.authorities = ReadAuthorities(paths_.authorities_field, paths_.authorities_file, read, problems);
  }
  return content;
}

void PublishedTls::Report(const Content& content) const {
  if (metrics_ != nullptr && content.identity) metrics_->TlsCertificate(role_, content.identity->not_after);
}

std::unique_ptr<PublishedTls> PublishedTls::Create(TlsPaths paths, std::string role, Metrics* metrics,
                                                   const FileReader& read, ConfigProblems& problems) {
  const std::size_t before = problems.size();
  std::unique_ptr<PublishedTls> tls(new PublishedTls(std::move(paths), std::move(role), metrics));
  const Content content = tls->Read(read, problems);
  const auto publish = [&](std::string_view text, const std::string& field, std::unique_ptr<PublishedFile>& file) {
    auto created = PublishedFile::Create(text);
    if (created.ok()) {
      file = *std::move(created);
    } else {
      problems.push_back({field, std::string(created.status().message())});
    }
  };
  if (problems.size() == before && content.identity)
    publish(content.identity->pem.Reveal(), "key_file", tls->identity_);
  if (problems.size() == before && content.authorities) {
    publish(*content.authorities, tls->paths_.authorities_field, tls->authorities_);
  }
  if (problems.size() != before) return nullptr;
  tls->Report(content);
  return tls;
}

ConfigProblems PublishedTls::Reload(const FileReader& read) {
  std::lock_guard lock(mutex_);
  ConfigProblems problems;
  const Content content = Read(read, problems);
  const auto stage = [&](PublishedFile& file, std::string_view text, const std::string& field) {
    auto staged = file.Stage(text);
    if (staged.ok()) return *std::move(staged);
    problems.push_back({field, std::string(staged.status().message())});
    return Fd();
  };
  Fd identity;
  Fd authorities;
  if (content.identity) identity = stage(*identity_, content.identity->pem.Reveal(), "key_file");
  if (content.authorities) authorities = stage(*authorities_, *content.authorities, paths_.authorities_field);
  if (!problems.empty()) return problems;
  if (authorities_) authorities_->Publish(std::move(authorities));
  if (identity_) identity_->Publish(std::move(identity));
  Report(content);
  return {};
}

}  // namespace livekit::token::http
