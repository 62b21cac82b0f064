// What the parts of a build share.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/secret.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/repeated_field.h"
#include "livekit/token/v1/grants.pb.h"
#include "server/authority_builder.h"
#include "server/projects.h"
#include "service/metrics.h"

namespace livekit::token::build {

// Collects what is wrong with a configuration, and what its later parts refer to.
struct Context {
  Context(const BuildOptions& build_options, const SharedParts& shared)
      : options(build_options),
        files(*shared.files),
        ledger(*shared.ledger),
        jwks(*shared.jwks),
        metrics(shared.metrics) {}

  void Problem(const std::string& path, std::string message) { problems.push_back({path, std::move(message)}); }
  void Warning(const std::string& path, std::string message) { warnings.push_back({path, std::move(message)}); }

  // Where an authenticator counts; null: nowhere.
  AuthenticatorMetrics* MetricsOf(const std::string& authenticator) const {
    return metrics == nullptr ? nullptr : &metrics->OfAuthenticator(authenticator);
  }

  // Notes a name that is missing or there twice.
  void CheckName(const std::string& path, const std::string& name, std::set<std::string>& seen);
  // Notes elements that are empty or look like regular expressions.
  void CheckGlobs(const std::string& path, const google::protobuf::RepeatedPtrField<std::string>& globs);
  // Notes a duration that is not whole seconds.
  std::chrono::seconds Seconds(const std::string& path, const google::protobuf::Duration& duration);
  // The project of that name, or the only one if `name` is empty; null is a problem already.
  std::shared_ptr<const Project> FindProject(const std::string& path, const std::string& name);
  // Notes a name that no authenticator has.
  bool CheckAuthenticator(const std::string& path, const std::string& name);

  // The content of a file with a secret, without white space at its end. Nothing if it cannot be read or is accessible
  // to others, which is a problem at `path`.
  std::optional<Secret> ReadSecret(const std::string& path, const std::string& file);
  // A file of API keys, as lib/token reads it.
  absl::StatusOr<KeyFile> ReadKeys(const std::string& path) const;
  // Notes names in `can_publish_sources` that no source has.
  void CheckSources(const std::string& path, const v1::VideoGrant& grants);

  const BuildOptions& options;
  FileSnapshot& files;
  KeyLedger& ledger;
  JwksPool& jwks;
  Metrics* metrics;  // null: nothing is counted
  ConfigProblems problems;
  ConfigProblems warnings;
  std::vector<std::shared_ptr<const Project>> projects;
  std::set<std::string> key_ids;  // of all projects' API keys
  std::set<std::string> authenticator_names;
  std::string anonymous;                             // name of the anonymous authenticator; empty if there is none
  std::shared_ptr<const jose::HmacSha256> hmac_key;  // of templates; null: none
  std::set<std::pair<std::string, std::string>> jwt_issuers;    // header and issuer of authenticators
  std::set<std::pair<std::string, std::string>> trust_domains;  // header and SPIFFE trust domain of authenticators
  std::set<std::string> caller_authenticators;                  // that services name
  std::set<std::string> forwarded_headers;                      // that applications are asked about
  std::set<std::string> forwarded_cookies;                      // and cookies
  bool client_certificates = false;                             // whether the listener asks clients for certificates
};

// Whether `text` holds characters of regular expressions, which lists of names do not know.
bool LooksLikeExpression(std::string_view text);
inline constexpr char kOnlyGlobs[] =
    "is a literal name in which only `*` is special; regular expressions do not work here";

// The sentence of a refusal that our own code made about a configured value.
std::string Sentence(const absl::Status& status);

}  // namespace livekit::token::build
