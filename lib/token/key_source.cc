#include "livekit/token/key_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "base/secret.h"
#include "base/status.h"

namespace livekit::token {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

absl::Status Invalid(std::string_view message) { return Refuse(v1::FIELD_INVALID, message); }

// The status with the place in front of its sentence. Only for sentences of this library, which contain no secret.
absl::Status At(std::string_view place, const absl::Status& status) {
  v1::Error error = ToError(status);
  const std::string& what = error.fields_size() > 0 ? error.fields(0).message() : error.message();
  return Invalid(std::string(place) + ": " + what);
}

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// Whether YAML reads the plain scalar as something other than a string: null, a boolean or a number.
bool IsOtherYamlType(std::string_view text) {
  static const std::set<std::string_view> kWords = {
      "~",  "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "yes",   "Yes",  "YES", "no",
      "No", "NO",   "on",   "On",   "ON",   "off",  "Off",  "OFF",   ".inf",  ".nan",  "-.inf", ".Inf", ".NaN"};
  if (kWords.count(text) != 0) return true;
  if (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0o") {
    return text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
  }
  // Digits with at most the other characters of numbers, such as 12, -1.5, 1e9, 1_000.
  bool digit = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= '0' && c <= '9') {
      digit = true;
    } else if ((c == '+' || c == '-') && (i == 0 || text[i - 1] == 'e' || text[i - 1] == 'E')) {
      continue;
    } else if (c != '.' && c != '_' && !((c == 'e' || c == 'E') && digit)) {
      return false;
    }
  }
  return digit;
}

// One part of a line: quoted, or plain. `rest` is what follows it.
struct Scalar {
  std::string_view text;
  std::string_view rest;
};

absl::StatusOr<Scalar> ReadScalar(std::string_view text, bool is_key) {
  if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
    const std::size_t end = text.find(text.front(), 1);
    if (end == std::string_view::npos) return Invalid("a quote is not closed");
    const std::string_view inner = text.substr(1, end - 1);
    if (inner.find('\\') != std::string_view::npos) return Invalid("escapes in quotes are not supported");
    return Scalar{inner, text.substr(end + 1)};
  }
  // Characters that mean something else at the start of a YAML scalar (YAML 1.2 section 7.3.3).
  constexpr std::string_view kIndicators = "{}[],&*#!|>%@`?-";
  if (text.empty()) return Scalar{text, text};
  if (kIndicators.find(text.front()) != std::string_view::npos) {
    return Invalid("a part begins with a character that YAML treats specially; put it in quotes");
  }
  std::size_t end = text.size();
  if (is_key) {
    end = text.find(':');
    if (end == std::string_view::npos) end = text.size();
  } else if (const std::size_t comment = text.find(" #"); comment != std::string_view::npos) {
    end = comment;
  }
  const std::string_view plain = Trim(text.substr(0, end));
  if (IsOtherYamlType(plain)) {
    return Invalid("an unquoted number or word is not a string in YAML, and LiveKit drops the key; put it in quotes");
  }
  if (plain.find(": ") != std::string_view::npos) return Invalid("the secret contains `: `; put it in quotes");
  return Scalar{plain, text.substr(end)};
}

bool IsCommentOrEmpty(std::string_view text) {
  text = Trim(text);
  return text.empty() || text.front() == '#';
}

absl::StatusOr<std::shared_ptr<const ApiKey>> ParseLine(std::string_view line, SecretStrength strength) {
  if (line.front() == ' ' || line.front() == '\t') return Invalid("the line is indented");
  LKT_ASSIGN_OR_RETURN(const Scalar id, ReadScalar(line, /*is_key=*/true));
  // LiveKit needs the space after the colon, as YAML does.
  if (id.rest.size() < 2 || id.rest[0] != ':' || !IsSpace(id.rest[1])) {
    return Invalid("expected `key: secret`, with a space after the colon");
  }
  LKT_ASSIGN_OR_RETURN(const Scalar secret, ReadScalar(Trim(id.rest.substr(1)), /*is_key=*/false));
  if (!IsCommentOrEmpty(secret.rest)) return Invalid("there is text after the secret");
  return ApiKey::Create(id.text, secret.text, strength);
}

// Closes a descriptor.
struct File {
  explicit File(int descriptor) : fd(descriptor) {}
  ~File() {
    if (fd >= 0) ::close(fd);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd;
};

// The content of a file; with `private_to_us` it must not be one that others may access.
absl::StatusOr<Secret> ReadSecretFile(const std::string& path, bool private_to_us, const KeyFileReader& read) {
  auto file = read(path);
  if (!file.ok()) return Invalid(path + ": the file cannot be read");
  Secret content(std::move(file->content));
  if (!file->regular) return Invalid(path + ": it is not a regular file");
  if (private_to_us && file->others_may_access) {
    return Invalid(path + ": others may access the file; run `chmod o= FILE` (in Kubernetes: defaultMode 0440)");
  }
  if (content.size() > kMaxFileBytes) return Invalid(path + ": the file has more than 1 MiB");
  return content;
}

// The one line of a file that holds a single value.
absl::StatusOr<Secret> ReadValueFile(const std::string& path, bool private_to_us, const KeyFileReader& read,
                                     std::vector<std::string>& warnings) {
  LKT_ASSIGN_OR_RETURN(const Secret content, ReadSecretFile(path, private_to_us, read));
  const std::string_view value = Trim(content.Reveal());
  if (value.size() != content.size()) warnings.push_back(path + ": white space around the value was dropped");
  return Secret::CopyOf(value);
}

absl::StatusOr<LoadedKeys> OneKey(std::string_view id, std::string_view secret, SecretStrength strength) {
  LKT_ASSIGN_OR_RETURN(auto key, ApiKey::Create(id, secret, strength));
  LoadedKeys loaded;
  loaded.keys.push_back(std::move(key));
  return loaded;
}

}  // namespace

absl::StatusOr<LoadedKeys> ParseKeys(std::string_view text, SecretStrength strength) {
  if (text.substr(0, 3) == "\xef\xbb\xbf") return Invalid("the text begins with a byte order mark");
  LoadedKeys loaded;
  KeyRing seen;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && IsSpace(line.back())) line.remove_suffix(1);
    if (IsCommentOrEmpty(line) || line == "---") continue;
    const std::string place = "line " + std::to_string(number);
    auto key = ParseLine(line, strength);
    if (!key.ok()) return At(place, key.status());
    if (const absl::Status added = seen.Add(*key); !added.ok()) return At(place, added);
    loaded.keys.push_back(*std::move(key));
  }
  if (loaded.keys.empty()) return Invalid("there is no key; expected lines `key: secret`");
  return loaded;
}

// The permissions are those of the open file, so that it cannot be exchanged in between.
absl::StatusOr<KeyFile> ReadKeyFile(const std::string& path) {
  const absl::Status failed = absl::FailedPreconditionError("the file cannot be read");
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0) return failed;
  KeyFile result{std::string(kMaxFileBytes + 1, '\0'), S_ISREG(info.st_mode), (info.st_mode & S_IRWXO) != 0};
  std::size_t size = 0;
  while (result.regular && size < result.content.size()) {
    const ssize_t n = ::read(file.fd, result.content.data() + size, result.content.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed;
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  result.content.resize(size);
  return result;
}

absl::StatusOr<LoadedKeys> LoadKeyFile(const std::string& path, SecretStrength strength, const KeyFileReader& read) {
  LKT_ASSIGN_OR_RETURN(const Secret content, ReadSecretFile(path, /*private_to_us=*/true, read));
  auto loaded = ParseKeys(content.Reveal(), strength);
  if (!loaded.ok()) return At(path, loaded.status());
  return loaded;
}

absl::StatusOr<LoadedKeys> LoadKeyPair(const std::string& key_file, const std::string& secret_file,
                                       SecretStrength strength, const KeyFileReader& read) {
  std::vector<std::string> warnings;
  LKT_ASSIGN_OR_RETURN(const Secret id, ReadValueFile(key_file, /*private_to_us=*/false, read, warnings));
  LKT_ASSIGN_OR_RETURN(const Secret secret, ReadValueFile(secret_file, /*private_to_us=*/true, read, warnings));
  auto loaded = OneKey(id.Reveal(), secret.Reveal(), strength);
  if (!loaded.ok()) return At(secret_file, loaded.status());
  loaded->warnings = std::move(warnings);
  return loaded;
}

std::optional<std::string> ProcessEnvironment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

absl::StatusOr<LoadedKeys> KeysFromEnvironment(const Environment& environment, SecretStrength strength,
                                               const KeyFileReader& read) {
  const auto get = [&](const char* name) { return Secret(environment(name).value_or("")); };
  const Secret id = get("LIVEKIT_API_KEY");
  const Secret id_file = get("LIVEKIT_API_KEY_FILE");
  const Secret secret = get("LIVEKIT_API_SECRET");
  const Secret secret_file = get("LIVEKIT_API_SECRET_FILE");
  const Secret keys = get("LIVEKIT_KEYS");
  const Secret key_file = get("LIVEKIT_KEY_FILE");

  if (!id.empty() && !id_file.empty()) return Invalid("LIVEKIT_API_KEY and LIVEKIT_API_KEY_FILE are both set");
  if (!secret.empty() && !secret_file.empty()) {
    return Invalid("LIVEKIT_API_SECRET and LIVEKIT_API_SECRET_FILE are both set");
  }
  const bool has_id = !id.empty() || !id_file.empty();
  const bool has_secret = !secret.empty() || !secret_file.empty();
  const bool has_pair = has_id || has_secret;
  if (int{has_pair} + int{!keys.empty()} + int{!key_file.empty()} > 1) {
    return Invalid("set only one of LIVEKIT_API_KEY with LIVEKIT_API_SECRET, LIVEKIT_KEYS, and LIVEKIT_KEY_FILE");
  }
  if (!key_file.empty()) return LoadKeyFile(std::string(key_file.Reveal()), strength, read);
  if (!keys.empty()) {
    auto loaded = ParseKeys(keys.Reveal(), strength);
    if (!loaded.ok()) return At("LIVEKIT_KEYS", loaded.status());
    return loaded;
  }
  if (!has_pair) return LoadedKeys{};
  if (!has_id) return Invalid("LIVEKIT_API_SECRET is set without LIVEKIT_API_KEY");
  if (!has_secret) return Invalid("LIVEKIT_API_KEY is set without LIVEKIT_API_SECRET");

  std::vector<std::string> warnings;
  const auto value_of = [&](const Secret& value, const Secret& file, bool private_to_us,
                            const char* name) -> absl::StatusOr<Secret> {
    if (!file.empty()) return ReadValueFile(std::string(file.Reveal()), private_to_us, read, warnings);
    const std::string_view trimmed = Trim(value.Reveal());
    if (trimmed.size() != value.size()) {
      warnings.push_back(std::string(name) + ": white space around the value was dropped");
    }
    return Secret::CopyOf(trimmed);
  };
  LKT_ASSIGN_OR_RETURN(const Secret key_id, value_of(id, id_file, false, "LIVEKIT_API_KEY"));
  LKT_ASSIGN_OR_RETURN(const Secret key_secret, value_of(secret, secret_file, true, "LIVEKIT_API_SECRET"));
  auto loaded = OneKey(key_id.Reveal(), key_secret.Reveal(), strength);
  if (!loaded.ok()) return At("LIVEKIT_API_SECRET", loaded.status());
  loaded->warnings = std::move(warnings);
  return loaded;
}

}  // namespace livekit::token
