#include "base/trace_context.h"

#include <algorithm>
#include <optional>

#include "base/secret.h"

namespace livekit::token {
namespace {

constexpr std::string_view kForm = "00-00000000000000000000000000000000-0000000000000000-00";
constexpr char kHex[] = "0123456789abcdef";
constexpr auto kHexPairs = [] {
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kHex[i >> 4], kHex[i & 15]};
  return pairs;
}();
constexpr int kDefinedFlags = 0x03;  // sampled, and random-trace-id of level 2; others must be sent as zero

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
int HexValue(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// Random and not all zero, which would mean that there is no id.
void WriteRandomId(char* to, std::size_t size) {
  std::array<unsigned char, 16> random;
  RandomIdBytes(random.data(), size / 2);
  unsigned any = 0;
  for (std::size_t i = 0; i < size / 2; ++i) {
    any |= random[i];
    std::copy_n(kHexPairs[random[i]].begin(), 2, to + 2 * i);
  }
  if (any == 0) to[size - 1] = '1';
}

constexpr auto kIsHex = [] {
  std::array<bool, 256> is_hex{};
  for (const char c : kHex) is_hex[static_cast<unsigned char>(c)] = c != '\0';
  return is_hex;
}();

bool IsHex(char c) { return kIsHex[static_cast<unsigned char>(c)]; }

bool IsId(std::string_view text) {
  bool is_hex = true;
  bool is_set = false;
  for (const char c : text) {
    is_hex &= IsHex(c);
    is_set |= c != '0';
  }
  return is_hex && is_set;
}

bool IsTraceparent(std::string_view text) {
  return text.size() == 55 && text.substr(0, 3) == "00-" && IsId(text.substr(3, 32)) && text[35] == '-' &&
         IsId(text.substr(36, 16)) && text[52] == '-' && IsHex(text[53]) && IsHex(text[54]);
}

// By level 2, whose keys include those of level 1 with a tenant.
bool IsKey(std::string_view text) {
  return !text.empty() && text.size() <= 256 && IsLowerOrDigit(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return IsLowerOrDigit(c) || c == '_' || c == '-' || c == '*' || c == '/' || c == '@';
         });
}

// Without white space around it.
bool IsValue(std::string_view text) {
  return !text.empty() && text.size() <= 256 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e && c != ',' && c != '='; });
}

std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Members may be empty (section 3.3.1.1), and a list of nothing else is none.
bool IsTracestate(std::string_view list) {
  std::array<std::string_view, TraceContext::kMaxTracestateMembers> keys;
  std::size_t members = 0;
  while (true) {
    const std::size_t comma = list.find(',');
    if (const std::string_view member = Trim(list.substr(0, comma)); !member.empty()) {
      const std::size_t equals = member.find('=');
      if (members == keys.size() || equals == member.npos || !IsValue(member.substr(equals + 1))) return false;
      const std::string_view key = member.substr(0, equals);
      const auto end = keys.begin() + static_cast<std::ptrdiff_t>(members);
      if (!IsKey(key) || std::find(keys.begin(), end, key) != end) return false;
      keys[members++] = key;
    }
    if (comma == list.npos) return members > 0;
    list.remove_prefix(comma + 1);
  }
}

std::string JoinTracestate(std::span<const std::string_view> values) {
  std::string joined;
  for (const std::string_view value : values) {
    if (value.size() + joined.size() + 1 > TraceContext::kMaxTracestateBytes + (joined.empty() ? 1 : 0)) return {};
    if (!joined.empty()) joined += ',';
    joined += value;
  }
  if (!IsTracestate(joined)) joined.clear();
  return joined;
}

}  // namespace

TraceContext::TraceContext() : TraceContext(kForm) { WriteRandomId(text_.data() + 3, 32); }

TraceContext::TraceContext(std::string_view parent) {
  std::copy(parent.begin(), parent.end(), text_.begin());
  WriteRandomId(text_.data() + 36, 16);
}

std::optional<std::string_view> TraceContext::TraceIdIn(std::string_view traceparent) {
  if (!IsTraceparent(traceparent)) return std::nullopt;
  return traceparent.substr(3, 32);
}

TraceContext TraceContext::Continue(std::span<const std::string_view> traceparents,
                                    std::span<const std::string_view> tracestates) {
  if (traceparents.size() != 1 || !IsTraceparent(traceparents.front())) return TraceContext();
  const std::string_view sent = traceparents.front();
  TraceContext trace(sent);
  trace.continued_ = true;
  std::copy(sent.begin() + 36, sent.begin() + 52, trace.parent_.begin());
  trace.text_[53] = '0';
  trace.text_[54] = kHex[HexValue(sent[54]) & kDefinedFlags];
  trace.tracestate_ = JoinTracestate(tracestates);
  return trace;
}

}  // namespace livekit::token
