// Services: what calling programs may do.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "livekit/token/token_verifier.h"
#include "server/ceiling.h"
#include "server/principal.h"
#include "server/projects.h"

namespace livekit::token {

// What one service, a calling program, may do.
struct ServiceRules {
  std::string name;
  std::string authenticator;  // the caller must have used it
  std::string subject;        // and have this subject
  std::vector<std::shared_ptr<const Project>> projects;
  bool relay = false;                             // pass on credentials of end users
  bool asserts = false;                           // state who the end user is
  bool explain = false;                           // have requests explained
  std::shared_ptr<const MintCeiling> mint;        // null: may not mint
  std::shared_ptr<const TokenVerifier> verifier;  // over the keys of `projects`; null: may not verify

  bool MayUse(const Project& project) const;
};

// The services of a configuration. Thread safety: immutable.
class ServiceSet {
 public:
  explicit ServiceSet(std::vector<ServiceRules> services);

  // The service that `caller` is; null if it is none. Takes the same time for any number of services.
  const ServiceRules* Find(const Principal& caller) const;

  // The service of that name; null if there is none.
  const ServiceRules* FindByName(std::string_view name) const;

  std::size_t size() const { return services_.size(); }
  const ServiceRules& operator[](std::size_t index) const { return services_[index]; }

 private:
  std::vector<ServiceRules> services_;
  // By authenticator and subject.
  std::unordered_map<std::string, std::unordered_map<std::string, std::size_t>> index_;
};

}  // namespace livekit::token
