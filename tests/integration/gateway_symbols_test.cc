// The gateway program can sign nothing: the code that could is not in it. Looks at the symbols of the built program.

#include <stdio.h>

#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace livekit::token {
namespace {

constexpr char kGateway[] = BIN_DIR "/livekit-token-gateway";

// The output of a command, by lines; a failure to run it is a test failure.
std::vector<std::string> Lines(const std::string& command) {
  std::vector<std::string> lines;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) {
    ADD_FAILURE() << command;
    return lines;
  }
  std::string line;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) {
    if (c != '\n') {
      line.push_back(static_cast<char>(c));
    } else {
      lines.push_back(std::move(line));
      line.clear();
    }
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return lines;
}

// Lines that contain one of `parts`.
std::vector<std::string> Matching(const std::vector<std::string>& lines, const std::vector<std::string_view>& parts) {
  std::vector<std::string> result;
  for (const auto& line : lines) {
    for (std::string_view part : parts) {
      if (line.find(part) == line.npos) continue;
      result.push_back(line);
      break;
    }
  }
  return result;
}

// Our code that signs or checks signatures. The messages of the protocol have similar names and may be there.
const std::vector<std::string_view>& SigningCode() {
  static const auto* const parts = new std::vector<std::string_view>{"livekit::token::jose::",
                                                                     "livekit::token::AccessToken",
                                                                     "livekit::token::TokenVerifier",
                                                                     "livekit::token::ApiKey",
                                                                     "HmacSigner",
                                                                     "livekit::token::server::"};
  return *parts;
}

// What of OpenSSL could make a signature. The key of a TLS certificate is read, handed to the TLS library and freed.
// SHA256 alone, without a key, tells whether files have changed.
bool IsSigningFunction(const std::string& line) {
  static const std::regex pattern(
      R"( (HMAC|HMAC_\w+|EVP_MAC\w*|EVP_Digest\w*|EVP_MD_\w+|EVP_sha\w+|EVP_PKEY(?!_free\b)\w*|SHA(?!256(@|$))\d+\w*|EVP_Q_mac)(@.*)?$)");
  return std::regex_search(line, pattern);
}

TEST(GatewayProgram, DefinesNoSigningCode) {
  const auto lines = Lines(std::string("nm -C --defined-only ") + kGateway);
  // The program is not stripped, so that what is not found is not there.
  ASSERT_FALSE(Matching(lines, {"livekit::token::gateway::TokenHandler"}).empty());
  ASSERT_FALSE(Matching(lines, {"livekit::token::RandomUuid"}).empty());
  EXPECT_THAT(Matching(lines, SigningCode()), ::testing::IsEmpty());
}

TEST(GatewayProgram, ImportsNoSigningFunction) {
  const auto lines = Lines(std::string("nm -D --undefined-only ") + kGateway);
  // The list has OpenSSL's functions in it, as far as they are used: random numbers for request ids.
  ASSERT_FALSE(Matching(lines, {" RAND_bytes"}).empty());
  std::vector<std::string> found;
  for (const auto& line : lines) {
    if (IsSigningFunction(line)) found.push_back(line);
  }
  EXPECT_THAT(found, ::testing::IsEmpty());
}

TEST(GatewayProgram, WouldBeCaughtSigning) {
  for (const char* line :
       {"                 U HMAC@OPENSSL_3.0.0", "                 U EVP_MAC_init@OPENSSL_3.0.0",
        "                 U EVP_DigestSign@OPENSSL_3.0.0", "                 U SHA256_Init@OPENSSL_3.0.0",
        "                 U EVP_MAC_CTX_dup", "                 U EVP_sha256@OPENSSL_3.0.0",
        "                 U EVP_PKEY_sign@OPENSSL_3.0.0", "                 U EVP_PKEY_free_all"}) {
    EXPECT_TRUE(IsSigningFunction(line)) << line;
  }
  for (const char* line :
       {"                 U RAND_bytes@OPENSSL_3.0.0", "                 U SHA256@OPENSSL_3.0.0",
        "                 U SHA256", "                 U CRYPTO_memcmp",
        "                 U OPENSSL_cleanse@OPENSSL_3.0.0", "                 U EVP_PKEY_free@OPENSSL_3.0.0"}) {
    EXPECT_FALSE(IsSigningFunction(line)) << line;
  }
  EXPECT_FALSE(Matching({"0000 T livekit::token::jose::HmacSigner::Sign()"}, SigningCode()).empty());
  EXPECT_TRUE(Matching({"0000 T livekit::token::v1::MintAccessTokenRequest::New()"}, SigningCode()).empty());
}

}  // namespace
}  // namespace livekit::token
