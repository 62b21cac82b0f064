// Fields that the configurations of several kinds of tokens share. What is wrong becomes a problem at the field's path.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "google/protobuf/duration.pb.h"
#include "google/protobuf/repeated_field.h"
#include "livekit/token/config/v1/server_config.pb.h"
#include "server/authn/jwks_cache.h"
#include "server/authn/jwks_fetch.h"
#include "server/authn/jwt.h"
#include "server/authn/key_source.h"
#include "server/claims.h"

namespace livekit::token::build {

struct Context;

// The header that carries the token, in lower case; `authorization` if `header` is empty.
std::string TokenHeader(const std::string& path, const std::string& header, Context& context);
// The `iss` of tokens in that header, of which each may have one authenticator.
std::string TokenIssuer(const std::string& path, const std::string& issuer, const std::string& header,
                        Context& context);
// Audiences, none of them empty.
std::vector<std::string> TokenAudiences(const std::string& path,
                                        const google::protobuf::RepeatedPtrField<std::string>& audiences,
                                        Context& context);
// The path of the claim that is the subject; `sub` if `claim` is empty.
ClaimPath TokenSubjectClaim(const std::string& path, const std::string& claim, Context& context);
// An allowance of 0s to 5m for clocks that differ.
std::chrono::seconds TokenLeeway(const std::string& path, const google::protobuf::Duration& leeway, Context& context);
// Notes an address that is never asked. `otherwise` is what may be given in place of an https address.
void CheckAddress(const std::string& path, const std::string& address, bool allow_http, const std::string& otherwise,
                  Context& context);
// Notes a file of certificate authorities that cannot be read; empty is none.
void CheckAuthorities(const std::string& path, const std::string& file, Context& context);
// The content of a file that is no secret.
std::optional<std::string> ReadConfigFile(const std::string& path, const std::string& file, std::size_t max_bytes,
                                          Context& context);
// The keys in a file with a JSON Web Key Set; none after a problem. Warns of keys that are left out.
jose::KeySet ReadKeyFile(const std::string& path, const std::string& file, jose::JwksUse use, Context& context);

// The headers in which clients bring credentials for an authenticator as it is configured, in lower case; not those of
// proxies, and not cookies.
std::vector<std::string> CredentialHeaders(const config::v1::Authenticator& authenticator);

// Keys that begin to be fetched. Null is a problem at `path` already.
std::shared_ptr<KeySource> FetchedKeys(const std::string& path, const JwksLocation& location,
                                       const JwksCacheOptions& options, Context& context);
// The authenticator, whose refusals are seen in the debug log.
std::unique_ptr<const Authenticator> MakeJwtAuthenticator(JwtOptions options, std::shared_ptr<KeySource> keys);

}  // namespace livekit::token::build
