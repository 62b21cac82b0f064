#include "gateway/caller_token.h"

#include <sys/stat.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "base/status.h"
#include "service/log.h"

namespace livekit::token::gateway {
namespace {

constexpr std::size_t kMaxCallerToken = 4096;

absl::StatusOr<Secret> Read(const std::string& file, const FileReader& read) {
  auto text = read(file, kMaxCallerToken + 64);
  if (!text.ok()) return text.status();
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  std::string_view token = *text;
  while (!token.empty() && is_space(token.front())) token.remove_prefix(1);
  while (!token.empty() && is_space(token.back())) token.remove_suffix(1);
  const bool valid = !token.empty() && token.size() <= kMaxCallerToken &&
                     std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
  Secret secret = Secret::CopyOf(token);
  Wipe(*text);
  if (!valid) {
    return absl::InvalidArgumentError(file + ": must hold one line of 1 to 4096 visible ASCII characters");
  }
  struct stat info {};
  if (stat(file.c_str(), &info) == 0 && (info.st_mode & S_IRWXO) != 0) {
    Log(LogLevel::kWarn, "caller_token_file_exposed",
        {{"path", std::string_view(file)}, {"hint", "every user of this machine can read it; chmod o= the file"}});
  }
  return secret;
}

}  // namespace

absl::StatusOr<std::shared_ptr<CallerToken>> CallerToken::Create(const std::string& file, const FileReader& read) {
  LKT_ASSIGN_OR_RETURN(Secret secret, Read(file, read));
  return std::shared_ptr<CallerToken>(new CallerToken(file, std::move(secret)));
}

std::shared_ptr<const Secret> CallerToken::Get() const {
  std::lock_guard lock(mutex_);
  return secret_;
}

ConfigProblems CallerToken::Reload(const std::string& path, const FileReader& read) {
  auto secret = Read(file_, read);
  if (!secret.ok()) return {{path, std::string(secret.status().message())}};
  auto next = std::make_shared<const Secret>(*std::move(secret));
  std::lock_guard lock(mutex_);
  secret_.swap(next);
  return {};
}

}  // namespace livekit::token::gateway
