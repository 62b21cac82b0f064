#include "server/build/hmac_key.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "base/secret.h"
#include "server/build/context.h"

namespace livekit::token::build {
namespace {

constexpr char kPath[] = "hmac_key_file";
constexpr std::size_t kMinBytes = 32;

}  // namespace

std::shared_ptr<const jose::HmacSha256> LoadHmacKey(const std::string& file, Context& context) {
  if (file.empty()) return nullptr;
  std::error_code error;
  const auto permissions = std::filesystem::status(file, error).permissions();
  auto read = ReadFile(file);
  if (error || !read.ok()) {
    context.Problem(kPath, file + " cannot be read");
    return nullptr;
  }
  if ((permissions & std::filesystem::perms::others_all) != std::filesystem::perms::none) {
    context.Problem(kPath, file + " is accessible to others; take their rights away (chmod o-rwx)");
  }
  const Secret text(*std::move(read));
  std::string_view key = text.Reveal();
  while (!key.empty() && std::string_view(" \t\r\n").find(key.back()) != std::string_view::npos) key.remove_suffix(1);
  if (key.size() < kMinBytes) {
    context.Problem(kPath, file + " holds less than 32 bytes; `openssl rand -hex 32` makes a key");
    return nullptr;
  }
  // The prefix keeps codes apart from whatever else the same key may be used for.
  return std::make_shared<const jose::HmacSha256>(key, "livekit-token template hmac v1\n");
}

}  // namespace livekit::token::build
