// What the tests of policies share.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "jose/hmac_signer.h"
#include "server/principal.h"
#include "server/template.h"
#include "support/status_matchers.h"

namespace livekit::token::testing {

// A principal of the authenticator `app`; `claims` is JSON.
inline Principal Someone(const std::string& subject, const std::string& claims = "{}") {
  Principal principal;
  principal.authenticator = "app";
  principal.subject = subject;
  principal.claims = Claims(nlohmann::json::parse(claims));
  return principal;
}

// A principal with one text claim `t`, whatever its characters.
inline Principal WithClaim(const std::string& text) {
  Principal principal = Someone("alice");
  principal.claims = Claims(nlohmann::json{{"t", text}});
  return principal;
}

inline TemplateOptions WithHmac() {
  TemplateOptions options;
  options.hmac_key = std::make_shared<const jose::HmacSha256>("0123456789abcdef0123456789abcdef");
  return options;
}

inline Template ParseTemplate(const std::string& text) {
  auto parsed = Template::Parse(text, WithHmac());
  EXPECT_OK(parsed) << text;
  return *std::move(parsed);
}

}  // namespace livekit::token::testing
