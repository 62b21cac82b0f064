#include "http/request_head.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/address.h"
#include "base/text.h"

namespace livekit::token::http {
namespace {

// RFC 9110 section 5.6.2.
constexpr auto kIsTokenCharacter = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return IsTokenCharacter(c); });
}

// Visible characters. RFC 3986 has fewer of them, but browsers send the others in queries as they are. Not `#`: a
// fragment never leaves a client, and readers differ on where the path of such a target ends.
bool IsTarget(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

bool IsHexDigit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Whether `target` begins with a path whose escapes are all of the form `%41` (decoders differ on `%u0041` and `%4`)
// and hide no NUL, at which some readers stop.
bool HasPath(std::string_view target) {
  if (target.empty() || target.front() != '/') return false;
  const std::string_view path = target.substr(0, target.find('?'));
  for (std::size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
    const std::string_view digits = path.substr(at + 1, 2);
    if (digits.size() < 2 || !IsHexDigit(digits[0]) || !IsHexDigit(digits[1]) || digits == "00") return false;
  }
  return true;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `visit` with each element of a comma-separated list.
template <typename Visit>
void ForEachElement(std::string_view list, Visit visit) {
  for (;;) {
    const std::size_t comma = list.find(',');
    visit(Trim(list.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

// `http://host/path?query` is cut to `/path?query`; returns the authority. RFC 9112 section 3.2.2 asks servers to
// accept this form and to believe it rather than `Host`.
std::optional<std::string> CutAbsoluteForm(std::string& target) {
  if (target.front() == '/') return std::nullopt;
  const std::size_t scheme_end = target.find("://");
  if (scheme_end == std::string::npos) return std::nullopt;
  const std::string scheme = AsciiLower(target.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") return std::nullopt;
  const std::size_t start = scheme_end + 3;
  const std::size_t path = std::min(target.find_first_of("/?", start), target.size());
  std::string authority = target.substr(start, path - start);
  target.erase(0, path);
  if (target.empty() || target.front() != '/') target.insert(0, "/");
  return authority;
}

bool ParseRequestLine(std::string_view line, RequestHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return false;
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!IsToken(method) || method.size() > 32 || !IsTarget(target)) return false;
  head.method = method;
  head.target = target;
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return false;
  head.minor_version = version.back() - '0';
  head.keep_alive = head.minor_version == 1;
  return true;
}

// What is seen of the headers that decide about framing.
struct Seen {
  int hosts = 0;
  int content_lengths = 0;
  int transfer_encodings = 0;
  bool close = false;
};

// Notes what one header line means for framing. Returns false if it must not be so.
bool Interpret(const Header& header, Seen& seen, RequestHead& head) {
  const std::string_view value = header.value;
  if (EqualsIgnoreCase(header.name, "host")) {
    return ++seen.hosts == 1 && HasHost(value);
  }
  if (EqualsIgnoreCase(header.name, "content-length")) {
    std::uint64_t length = 0;
    const auto result = std::from_chars(value.data(), value.data() + value.size(), length);
    if (result.ec != std::errc{} || result.ptr != value.data() + value.size()) return false;
    head.content_length = length;
    return ++seen.content_lengths == 1;
  }
  if (EqualsIgnoreCase(header.name, "transfer-encoding")) {
    // Other codings than this one are not known here, so that the end of the body would not be either.
    head.chunked = EqualsIgnoreCase(value, "chunked");
    return head.chunked && head.minor_version == 1 && ++seen.transfer_encodings == 1;
  }
  if (EqualsIgnoreCase(header.name, "content-encoding")) {
    head.has_content_encoding = true;
  } else if (EqualsIgnoreCase(header.name, "expect")) {
    ForEachElement(value, [&](std::string_view expectation) {
      if (EqualsIgnoreCase(expectation, "100-continue")) head.expects_continue = head.minor_version == 1;
    });
  } else if (EqualsIgnoreCase(header.name, "connection")) {
    ForEachElement(value, [&](std::string_view option) {
      if (EqualsIgnoreCase(option, "close")) seen.close = true;
      if (EqualsIgnoreCase(option, "keep-alive")) head.keep_alive = true;
    });
    // RFC 9112 section 9.3: `close` wins, wherever it stands.
    if (seen.close) head.keep_alive = false;
  }
  return true;
}

// Lets an absolute-form target speak for `Host`. Returns false if the target is of no form that this server serves.
bool SettleTarget(RequestHead& head) {
  // Success would make the connection a tunnel, whose bytes are no requests (RFC 9110 section 9.3.6).
  if (head.method == "CONNECT") return false;
  if (auto authority = CutAbsoluteForm(head.target)) {
    // RFC 9110 sections 4.2.1 and 4.2.4: an empty host and user information are errors.
    if (!HasHost(*authority)) return false;
    const auto host = std::find_if(head.headers.begin(), head.headers.end(),
                                   [](const Header& header) { return EqualsIgnoreCase(header.name, "host"); });
    if (host != head.headers.end()) {
      host->value = *std::move(authority);
    } else {
      head.headers.push_back({"Host", *std::move(authority)});
    }
  }
  return HasPath(head.target) || (head.target == "*" && head.method == "OPTIONS");
}

}  // namespace

bool IsTokenCharacter(char c) { return kIsTokenCharacter[static_cast<unsigned char>(c)]; }

std::optional<FieldLine> ParseFieldLine(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const FieldLine field{line.substr(0, colon), Trim(line.substr(colon + 1))};
  if (!IsToken(field.name)) return std::nullopt;
  if (!std::all_of(field.value.begin(), field.value.end(), [](char c) { return IsFieldValueCharacter(c); })) {
    return std::nullopt;
  }
  return field;
}

std::optional<v1::ErrorReason> ParseHead(std::string_view text, std::size_t max_lines, RequestHead& head) {
  // Browsers send a dozen or more.
  head.headers.reserve(16);
  bool is_first = true;
  Seen seen;
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");
    if (end == std::string_view::npos) return v1::MALFORMED_REQUEST;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    if (is_first) {
      if (!ParseRequestLine(line, head)) return v1::MALFORMED_REQUEST;
      is_first = false;
      continue;
    }
    if (line.empty()) break;
    if (head.headers.size() == max_lines) return v1::HEADERS_TOO_LARGE;
    const auto field = ParseFieldLine(line);
    if (!field) return v1::MALFORMED_REQUEST;
    head.headers.push_back({std::string(field->name), std::string(field->value)});
    if (!Interpret(head.headers.back(), seen, head)) return v1::MALFORMED_REQUEST;
  }
  if (is_first || !text.empty()) return v1::MALFORMED_REQUEST;
  if (seen.content_lengths + seen.transfer_encodings > 1) return v1::MALFORMED_REQUEST;
  if (seen.hosts == 0 && head.minor_version == 1) return v1::MALFORMED_REQUEST;
  if (!SettleTarget(head)) return v1::MALFORMED_REQUEST;
  return std::nullopt;
}

}  // namespace livekit::token::http
