// Whether a token that came is the one that was asked for, and whether those who know the published keys accept it.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "faults/tally.h"
#include "livekit/token/token_verifier.h"

namespace livekit::token::faults {

// Thread safety: Check may be called concurrently.
class TokenCheck {
 public:
  // `key_file` holds all keys that are published, in the form of LiveKit's key file, and is read again whenever it has
  // changed; empty: signatures are not checked. Without readable keys every token is `unverifiable`.
  TokenCheck(std::string key_file, Tally& tally);

  // Nothing is wrong if the result is empty; otherwise the name of the outcome: `wrong_body` if the token is not that
  // of `identity`, `unverifiable` if the verifier refuses it, for which `detail` says why.
  std::string Check(std::string_view token, std::string_view identity, std::string* detail);

 private:
  std::shared_ptr<const TokenVerifier> Verifier();

  const std::string key_file_;
  Tally& tally_;
  // So that a step of the wall clock in the middle of a run decides nothing.
  const std::chrono::system_clock::time_point wall_start_ = std::chrono::system_clock::now();
  const Clock::time_point start_ = Clock::now();
  std::mutex mutex_;
  struct stat seen_ {};
  std::shared_ptr<const TokenVerifier> verifier_;
};

}  // namespace livekit::token::faults
