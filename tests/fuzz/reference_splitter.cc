#include "fuzz/reference_splitter.h"

#include <arpa/inet.h>

#include <cstdint>
#include <cstring>
#include <optional>

namespace livekit::token::fuzz {
namespace {

// Thrown where reading ends.
struct Stop {
  SplitEnd end;
};

bool IsDigit(char c) { return '0' <= c && c <= '9'; }
bool IsLetter(char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z'); }

// tchar, RFC 9110 section 5.6.2.
bool IsTchar(char c) {
  return IsDigit(c) || IsLetter(c) || (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}

// VCHAR, obs-text, SP, HTAB: RFC 9110 section 5.5.
bool IsFieldChar(char c) {
  if (c == '\t') return true;
  const int code = static_cast<unsigned char>(c);
  return code >= 32 && code != 127;
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if ('A' <= c && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string WithoutSpaceAround(std::string text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.erase(text.begin());
  return text;
}

std::vector<std::string> SplitAt(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// Whether a list has the element, whatever its case.
bool ListHas(const std::string& list, const std::string& element) {
  for (const std::string& part : SplitAt(list, ',')) {
    if (Lower(WithoutSpaceAround(part)) == element) return true;
  }
  return false;
}

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  if ('a' <= c && c <= 'f') return c - 'a' + 10;
  if ('A' <= c && c <= 'F') return c - 'A' + 10;
  return -1;
}

// All of `text` as a number below 2^64.
std::optional<std::uint64_t> Number(const std::string& text, unsigned base) {
  if (text.empty()) return std::nullopt;
  unsigned __int128 number = 0;
  for (const char c : text) {
    const int digit = HexValue(c);
    if (digit < 0 || static_cast<unsigned>(digit) >= base) return std::nullopt;
    number = number * base + static_cast<unsigned>(digit);
    if (number > UINT64_MAX) return std::nullopt;
  }
  return static_cast<std::uint64_t>(number);
}

// uri-host [ ":" port ], with the names that DNS and its surroundings have.
bool IsAuthority(const std::string& text) {
  std::string host = text;
  std::string port = "0";
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.find(':', bracket == std::string::npos ? 0 : bracket);
  if (colon != std::string::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  const auto number = Number(port, 10);
  if (!number || *number > 65535 || port.size() > 5) return false;
  if (!host.empty() && host.front() == '[') {
    in6_addr unused;
    if (host.back() != ']' || host.find('\0') != std::string::npos) return false;
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &unused) == 1;
  }
  for (const char c : host) {
    if (!IsDigit(c) && !IsLetter(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return 1 <= host.size() && host.size() <= 253;
}

// A path with escapes of two digits, none of NUL; a query of anything.
bool IsOriginForm(const std::string& target) {
  if (target.empty() || target[0] != '/') return false;
  for (std::size_t i = 0; i < target.size() && target[i] != '?'; ++i) {
    if (target[i] != '%') continue;
    if (i + 2 >= target.size() || HexValue(target[i + 1]) < 0 || HexValue(target[i + 2]) < 0) return false;
    if (target[i + 1] == '0' && target[i + 2] == '0') return false;
  }
  return true;
}

// *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ), RFC 9112 section 7.1.1, as a machine with one
// state for each place in it.
bool AreExtensions(const std::string& text) {
  enum { kStart, kBeforeName, kName, kBehindName, kBeforeValue, kToken, kQuoted, kEscape, kBehindValue } at = kStart;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t';
    switch (at) {
      case kStart:
      case kBehindValue:
        if (c == ';') {
          at = kBeforeName;
        } else if (!space) {
          return false;
        }
        break;
      case kBeforeName:
        if (IsTchar(c)) {
          at = kName;
        } else if (!space) {
          return false;
        }
        break;
      case kName:
      case kBehindName:
        if (c == ';') {
          at = kBeforeName;
        } else if (c == '=') {
          at = kBeforeValue;
        } else if (space) {
          at = kBehindName;
        } else if (at == kBehindName || !IsTchar(c)) {
          return false;
        }
        break;
      case kBeforeValue:
        if (c == '"') {
          at = kQuoted;
        } else if (IsTchar(c)) {
          at = kToken;
        } else if (!space) {
          return false;
        }
        break;
      case kToken:
        if (c == ';') {
          at = kBeforeName;
        } else if (space) {
          at = kBehindValue;
        } else if (!IsTchar(c)) {
          return false;
        }
        break;
      case kQuoted:
        if (c == '"') {
          at = kBehindValue;
        } else if (c == '\\') {
          at = kEscape;
        } else if (!IsFieldChar(c)) {
          return false;
        }
        break;
      case kEscape:
        if (!IsFieldChar(c)) return false;
        at = kQuoted;
        break;
    }
  }
  // Space must not come last.
  const bool ends_in_space = !text.empty() && (text.back() == ' ' || text.back() == '\t');
  return !ends_in_space && (at == kStart || at == kName || at == kToken || at == kBehindValue);
}

// Reads the requests of one input.
class Reader {
 public:
  Reader(std::string_view input, const Limits& limits) : input_(input), limits_(limits) {}

  std::size_t at() const { return at_; }

  // The next request. Throws Stop if there is none.
  SplitRequest Next() {
    request_ = SplitRequest();
    length_.reset();
    codings_ = hosts_ = 0;
    closes_ = encoded_ = false;
    SkipEmptyLines();
    ReadHead();
    if (encoded_) throw Stop{SplitEnd::kEncoded};
    if (codings_ == 1) {
      ReadChunks();
    } else if (length_) {
      if (*length_ > limits_.body_bytes) throw Stop{SplitEnd::kBodyTooLarge};
      Take(*length_);
    }
    request_.end = at_;
    return request_;
  }

 private:
  char Byte() {
    if (at_ == input_.size()) throw Stop{SplitEnd::kMore};
    return input_[at_++];
  }

  void Require(bool condition) {
    if (!condition) throw Stop{SplitEnd::kMalformed};
  }

  void Take(std::uint64_t count) {
    for (; count > 0; --count) request_.body += Byte();
  }

  // A line without its end; with its end it may have `max` bytes.
  std::string Line(std::size_t max, SplitEnd too_long) {
    std::string line;
    for (;;) {
      line += Byte();
      if (line.size() > max) throw Stop{too_long};
      if (line.back() != '\n') continue;
      Require(line.size() >= 2 && line[line.size() - 2] == '\r');
      return line.substr(0, line.size() - 2);
    }
  }

  void SkipEmptyLines() {
    for (std::size_t skipped = 0;; ++skipped) {
      const char c = Byte();
      const bool second = skipped % 2 == 1;
      if (c != (second ? '\n' : '\r')) {
        Require(!second && IsTchar(c));
        --at_;
        return;
      }
      if (skipped == limits_.header_bytes) throw Stop{SplitEnd::kHeadersTooLarge};
    }
  }

  void ReadHead() {
    std::string head;
    while (head.size() < 4 || head.substr(head.size() - 4) != "\r\n\r\n") {
      if (head.size() == limits_.header_bytes) throw Stop{SplitEnd::kHeadersTooLarge};
      head += Byte();
      if (head.back() == '\n') Require(head.size() >= 2 && head[head.size() - 2] == '\r');
    }
    // Every LF has its CR by now, so that lines may be cut at LF.
    std::vector<std::string> lines = SplitAt(head, '\n');
    lines.resize(lines.size() - 2);  // the empty line, and what is behind its LF
    for (std::string& line : lines) line.pop_back();
    ReadRequestLine(lines[0]);
    for (std::size_t i = 1; i < lines.size(); ++i) {
      if (i > limits_.header_lines) throw Stop{SplitEnd::kHeadersTooLarge};
      Interpret(Field(lines[i]));
    }
    Require(codings_ == 0 || !length_);
    Require(hosts_ == 1 || request_.minor_version == 0);
    ReadTarget();
    if (closes_) request_.keep_alive = false;
  }

  void ReadRequestLine(const std::string& line) {
    const std::vector<std::string> parts = SplitAt(line, ' ');
    Require(parts.size() == 3 && !parts[0].empty() && parts[0].size() <= 32 && !parts[1].empty());
    for (const char c : parts[0]) Require(IsTchar(c));
    for (const char c : parts[1]) Require('!' <= c && c <= '~' && c != '#');
    Require(parts[2] == "HTTP/1.0" || parts[2] == "HTTP/1.1");
    request_.method = parts[0];
    request_.target = parts[1];
    request_.minor_version = parts[2] == "HTTP/1.1" ? 1 : 0;
    request_.keep_alive = request_.minor_version == 1;
  }

  // A header or trailer line, RFC 9112 section 5.
  std::pair<std::string, std::string> Field(const std::string& line) {
    const std::size_t colon = line.find(':');
    Require(colon != std::string::npos && colon != 0);
    const std::string name = line.substr(0, colon);
    const std::string value = WithoutSpaceAround(line.substr(colon + 1));
    for (const char c : name) Require(IsTchar(c));
    for (const char c : value) Require(IsFieldChar(c));
    return {name, value};
  }

  void Interpret(const std::pair<std::string, std::string>& field) {
    request_.fields.push_back(field);
    const std::string name = Lower(field.first);
    const std::string& value = field.second;
    if (name == "host") Require(++hosts_ == 1 && IsAuthority(value));
    if (name == "content-length") {
      Require(!length_);
      length_ = Number(value, 10);
      Require(length_.has_value());
    }
    if (name == "transfer-encoding") {
      Require(++codings_ == 1 && Lower(value) == "chunked" && request_.minor_version == 1);
    }
    if (name == "content-encoding") encoded_ = true;
    if (name == "expect" && request_.minor_version == 1 && ListHas(value, "100-continue")) {
      request_.expects_continue = true;
    }
    if (name == "connection") {
      if (ListHas(value, "keep-alive")) request_.keep_alive = true;
      if (ListHas(value, "close")) closes_ = true;
    }
  }

  // RFC 9112 section 3.2.
  void ReadTarget() {
    std::string& target = request_.target;
    Require(request_.method != "CONNECT");
    const std::string lower = Lower(target);
    const std::size_t scheme = lower.rfind("http://", 0) == 0 ? 7 : lower.rfind("https://", 0) == 0 ? 8 : 0;
    if (scheme != 0) {
      std::string authority;
      std::size_t i = scheme;
      for (; i < target.size() && target[i] != '/' && target[i] != '?'; ++i) authority += target[i];
      Require(IsAuthority(authority));
      target = target.substr(i);
      if (target.empty() || target[0] != '/') target = "/" + target;
      // It is the host, whatever the header says.
      if (hosts_ == 0) request_.fields.emplace_back("Host", authority);
      for (auto& [name, value] : request_.fields) {
        if (Lower(name) == "host") value = authority;
      }
    }
    if (target == "*" && request_.method == "OPTIONS") return;
    Require(IsOriginForm(target));
  }

  // RFC 9112 section 7.1.
  void ReadChunks() {
    std::size_t overhead = 0;
    for (;;) {
      const std::string line = Line(256, SplitEnd::kMalformed);
      std::size_t digits = 0;
      while (digits < line.size() && HexValue(line[digits]) >= 0) ++digits;
      const auto size = Number(line.substr(0, digits), 16);
      Require(size && AreExtensions(line.substr(digits)));
      if (line.size() > 16) overhead += line.size() - 16;
      Require(overhead <= limits_.header_bytes);
      if (request_.body.size() + static_cast<unsigned __int128>(*size) > limits_.body_bytes) {
        throw Stop{SplitEnd::kBodyTooLarge};
      }
      if (*size == 0) break;
      Take(*size);
      Line(2, SplitEnd::kMalformed);
    }
    std::size_t left = limits_.header_bytes;
    for (std::size_t lines = 1;; ++lines) {
      const std::string line = Line(left, SplitEnd::kHeadersTooLarge);
      if (line.empty()) return;
      const std::string name = Lower(Field(line).first);
      Require(name != "host" && name != "content-length" && name != "transfer-encoding");
      if (lines > limits_.header_lines) throw Stop{SplitEnd::kHeadersTooLarge};
      left -= line.size() + 2;
    }
  }

  const std::string_view input_;
  const Limits limits_;
  std::size_t at_ = 0;
  SplitRequest request_;
  std::optional<std::uint64_t> length_;
  int codings_ = 0;
  int hosts_ = 0;
  bool closes_ = false;
  bool encoded_ = false;
};

}  // namespace

Split SplitRequests(std::string_view input, const Limits& limits) {
  Split split;
  Reader reader(input, limits);
  try {
    for (;;) split.requests.push_back(reader.Next());
  } catch (const Stop& stop) {
    split.end = stop.end;
    split.known_at = reader.at();
  }
  return split;
}

}  // namespace livekit::token::fuzz
