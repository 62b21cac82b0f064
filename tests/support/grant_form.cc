#include "support/grant_form.h"

#include "gtest/gtest.h"
#include "protojson/reader.h"

namespace livekit::token::testing {

v1::Grants GrantsFromForm(const nlohmann::json& request) {
  // Apart from names that are only switches of the vectors, the form is proto3 JSON of Grants.
  nlohmann::json text = request;
  for (const char* name : {"api_key", "api_secret", "allow_sensitive_credentials"}) text.erase(name);
  v1::Grants grants;
  const absl::Status read = protojson::Read(text.dump(), {}, grants);
  EXPECT_TRUE(read.ok()) << read.ToString();
  return grants;
}

}  // namespace livekit::token::testing
