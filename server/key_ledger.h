// Which API keys sign, which have signed, and when one that no longer does may be removed.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "server/projects.h"

namespace livekit::token {

// What one API key has signed in this process.
//
// Thread safety: all methods may be called concurrently.
class KeyRecord {
 public:
  // The key has signed a token that expires then.
  void Signed(Time expire_time);
  // The latest expiry; nothing if the key has signed nothing.
  std::optional<Time> latest_expiry() const;

 private:
  std::atomic<std::int64_t> latest_{0};  // in Unix seconds; 0: none
};

// Where a key is on its way through a key file.
enum class KeyState {
  kPending,   // in the file; has not been the signing key as far as this process knows
  kActive,    // signs
  kRetiring,  // in the file; was the signing key before
  kGone,      // no longer in the file
};

// What an operator has to know of a key.
struct KeyStatus {
  std::string project;
  std::string key_id;
  KeyState state = KeyState::kPending;
  std::optional<Time> latest_expiry;  // of the tokens that it has signed here
  // Of keys that do not sign: when all tokens have expired that were signed with it, here or by a replica that changed
  // at the same time, so that LiveKit need not know it any more.
  std::optional<Time> remove_from_livekit;
  // And when the tokens have expired as well that LiveKit itself has signed with it until then. It gives every
  // participant new ones, signed with any of its keys, valid for what is left of the first one's time and at least ten
  // minutes. Until then verifying them needs the key here.
  std::optional<Time> remove_here;
};

// The name of a state, as metrics have it.
std::string_view KeyStateName(KeyState state);

// The keys of all projects over the life of a process, through all generations of its configuration.
//
// Thread safety: all methods may be called concurrently.
class KeyLedger {
 public:
  // A project of the configuration in use, and the longest life that a token of it can have.
  struct ProjectInUse {
    std::shared_ptr<const Project> project;
    std::chrono::seconds longest_ttl{0};
  };

  // The record of this key, the same object at every call.
  std::shared_ptr<KeyRecord> Record(const std::string& project, const std::string& key_id);
  // These projects, with their keys, are in use from `now` on.
  void Use(const std::vector<ProjectInUse>& projects, Time now);
  // All keys, by project and id; those that are gone until they no longer matter.
  std::vector<KeyStatus> Status(Time now);

 private:
  struct Entry {
    std::shared_ptr<KeyRecord> record = std::make_shared<KeyRecord>();
    bool in_use = false;  // a configuration in use has had it
    bool present = false;
    bool active = false;
    bool was_active = false;
    Time idle_since;  // since when it is known not to sign
    std::chrono::seconds longest_ttl{0};
  };

  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Entry> entries_;  // guarded by mutex_
};

// The page of the admin listener about keys: a JSON array.
std::string KeysAsJson(const std::vector<KeyStatus>& keys);

}  // namespace livekit::token
