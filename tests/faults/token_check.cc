#include "faults/token_check.h"

#include <utility>

#include "jose/jwt.h"
#include "livekit/token/key_source.h"

namespace livekit::token::faults {
namespace {

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

TokenCheck::TokenCheck(std::string key_file, Tally& tally) : key_file_(std::move(key_file)), tally_(tally) {}

std::string TokenCheck::Check(std::string_view token, std::string_view identity, std::string* detail) {
  const auto subject = jose::PeekSubject(token);
  if (!subject || *subject != identity) {
    *detail = subject ? "token of somebody else" : "no token";
    return "wrong_body";
  }
  if (const auto issuer = jose::PeekIssuer(token)) tally_.CountKey(*issuer);
  if (key_file_.empty()) return "";
  const auto verifier = Verifier();
  if (verifier == nullptr) {
    *detail = "no published keys could be read";
    return "unverifiable";
  }
  const auto passed = std::chrono::duration_cast<std::chrono::system_clock::duration>(Clock::now() - start_);
  const Verdict verdict = verifier->VerifyJoin(token, wall_start_ + passed);
  if (verdict.ok()) return "";
  *detail = Describe(verdict.reason);
  return "unverifiable";
}

std::shared_ptr<const TokenVerifier> TokenCheck::Verifier() {
  std::lock_guard<std::mutex> lock(mutex_);
  struct stat now {};
  if (stat(key_file_.c_str(), &now) == 0 && !SameFile(now, seen_)) {
    auto loaded = LoadKeyFile(key_file_, SecretStrength::kRequired);
    auto ring = std::make_shared<KeyRing>();
    bool good = loaded.ok();
    if (good) {
      for (auto& key : loaded->keys) good = good && ring->Add(std::move(key)).ok();
    }
    if (good) {
      verifier_ = std::make_shared<const TokenVerifier>(std::move(ring));
      seen_ = now;
      tally_.CountEvent("published_keys_read");
    } else {
      tally_.CountEvent("published_keys_unreadable");
    }
  }
  return verifier_;
}

}  // namespace livekit::token::faults
