// Where API keys come from: LiveKit's key file, environment variables, secret files.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "livekit/token/api_key.h"

namespace livekit::token {

// Keys and what the operator should know about how they were written.
struct LoadedKeys {
  std::vector<std::shared_ptr<const ApiKey>> keys;
  std::vector<std::string> warnings;  // never contain a secret
};

// Parses `key: secret`, one a line, as in LiveKit's `key_file` and LIVEKIT_KEYS: blank lines, `#` comments, CRLF,
// quotes around either part. Anything else that YAML would allow, or would read as something other than two strings (an
// unquoted number, which LiveKit silently drops), is an error that names the line. Errors never contain a secret.
absl::StatusOr<LoadedKeys> ParseKeys(std::string_view text, SecretStrength strength);

// A file as it was read.
struct KeyFile {
  std::string content;  // wiped by those who take it
  bool regular = true;
  bool others_may_access = false;  // by the permission bits for others
};

// Reads a whole file; for callers that have another way to files than by their paths. Errors are not looked at.
using KeyFileReader = std::function<absl::StatusOr<KeyFile>(const std::string& path)>;

// Reads from the file system, at most one byte more than a key file may have.
absl::StatusOr<KeyFile> ReadKeyFile(const std::string& path);

// Reads a key file. It must not be accessible to others (LiveKit's rule: no permission bits for "others"), and have at
// most 1 MiB. Errors name the file and what is wrong with it.
absl::StatusOr<LoadedKeys> LoadKeyFile(const std::string& path, SecretStrength strength,
                                       const KeyFileReader& read = ReadKeyFile);

// Reads one key from a file with the id and a file with the secret, as Docker and Kubernetes mount them. White space
// and line ends after the text are dropped with a warning. The secret's file must not be accessible to others.
absl::StatusOr<LoadedKeys> LoadKeyPair(const std::string& key_file, const std::string& secret_file,
                                       SecretStrength strength, const KeyFileReader& read = ReadKeyFile);

// The value of an environment variable; nothing if it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;

// The process's environment.
std::optional<std::string> ProcessEnvironment(const char* name);

// Reads the keys that the environment names, in one of these ways: LIVEKIT_API_KEY or LIVEKIT_API_KEY_FILE with
// LIVEKIT_API_SECRET or LIVEKIT_API_SECRET_FILE; LIVEKIT_KEYS, in the form of ParseKeys; LIVEKIT_KEY_FILE. Empty
// variables count as not set. No key if none is set. Errors: more than one way, or half of a pair.
absl::StatusOr<LoadedKeys> KeysFromEnvironment(const Environment& environment, SecretStrength strength,
                                               const KeyFileReader& read = ReadKeyFile);

}  // namespace livekit::token
