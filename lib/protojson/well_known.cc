#include "protojson/well_known.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "base/text.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/time_util.h"

namespace livekit::token::protojson {
namespace {

using google::protobuf::util::TimeUtil;

bool AreDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// protobuf's own parser of durations skips white space and takes a plus sign.
bool IsDurationText(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  if (text.empty() || text.back() != 's') return false;
  text.remove_suffix(1);
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return AreDigits(text) && text.size() <= 12;
  const std::string_view fraction = text.substr(point + 1);
  return point <= 12 && AreDigits(text.substr(0, point)) && fraction.size() <= 9 && AreDigits(fraction);
}

// `NNNN-NN-NNTNN:NN:NN`, a fraction of at most nine digits, `Z` or an offset; ranges are checked by protobuf.
bool IsTimestampText(std::string_view text) {
  constexpr std::string_view kPattern = "0000-00-00T00:00:00";
  const auto matches = [](std::string_view part, std::string_view pattern) {
    return part.size() == pattern.size() && std::equal(part.begin(), part.end(), pattern.begin(), [](char c, char p) {
             return p == '0' ? c >= '0' && c <= '9' : c == p;
           });
  };
  if (text.size() <= kPattern.size() || !matches(text.substr(0, kPattern.size()), kPattern)) return false;
  text.remove_prefix(kPattern.size());
  if (text.front() == '.') {
    const std::size_t end = std::min(text.find_first_not_of("0123456789", 1), text.size());
    if (end < 2 || end > 10) return false;
    text.remove_prefix(end);
  }
  return text == "Z" || matches(text, "+00:00") || matches(text, "-00:00");
}

bool InRange(Form form, std::int64_t seconds, std::int32_t nanos) {
  if (nanos <= -1'000'000'000 || nanos >= 1'000'000'000) return false;
  if (form == Form::kTimestamp) {
    return seconds >= TimeUtil::kTimestampMinSeconds && seconds <= TimeUtil::kTimestampMaxSeconds && nanos >= 0;
  }
  return seconds >= TimeUtil::kDurationMinSeconds && seconds <= TimeUtil::kDurationMaxSeconds &&
         !(seconds > 0 && nanos < 0) && !(seconds < 0 && nanos > 0);
}

template <typename Time>
bool Store(const Time& time, const TypeInfo& type, google::protobuf::Message& message) {
  if (!InRange(type.form, time.seconds(), time.nanos())) return false;
  const auto* reflection = message.GetReflection();
  reflection->SetInt64(&message, type.fields[0].field, time.seconds());
  reflection->SetInt32(&message, type.fields[1].field, time.nanos());
  return true;
}

}  // namespace

bool ReadTimeForm(std::string_view text, const TypeInfo& type, google::protobuf::Message& message) {
  if (type.form == Form::kTimestamp) {
    google::protobuf::Timestamp time;
    if (!IsTimestampText(text) || !TimeUtil::FromString(std::string(text), &time)) return false;
    return Store(time, type, message);
  }
  google::protobuf::Duration time;
  if (!IsDurationText(text) || !TimeUtil::FromString(std::string(text), &time)) return false;
  return Store(time, type, message);
}

bool AppendTimeForm(const google::protobuf::Message& message, const TypeInfo& type, std::string& out) {
  const auto* reflection = message.GetReflection();
  const std::int64_t seconds = reflection->GetInt64(message, type.fields[0].field);
  const std::int32_t nanos = reflection->GetInt32(message, type.fields[1].field);
  if (!InRange(type.form, seconds, nanos)) return false;
  std::string text;
  if (type.form == Form::kTimestamp) {
    google::protobuf::Timestamp time;
    time.set_seconds(seconds);
    time.set_nanos(nanos);
    text = TimeUtil::ToString(time);
  } else {
    google::protobuf::Duration time;
    time.set_seconds(seconds);
    time.set_nanos(nanos);
    text = TimeUtil::ToString(time);
  }
  return AppendJsonString(text, out);
}

bool ReadBase64(std::string_view text, std::string& out) {
  std::string url;
  if (!text.empty() && text.back() == '=') {
    if (text.size() % 4 != 0) return false;
    text.remove_suffix(text[text.size() - 2] == '=' ? 2 : 1);
  }
  url.reserve(text.size());
  bool standard = false;
  bool urlsafe = false;
  for (const char c : text) {
    standard |= c == '+' || c == '/';
    urlsafe |= c == '-' || c == '_';
    url.push_back(c == '+' ? '-' : c == '/' ? '_' : c);
  }
  if (standard && urlsafe) return false;
  std::optional<std::string> bytes = Base64UrlDecode(url);
  if (!bytes) return false;
  out = *std::move(bytes);
  return true;
}

void AppendBase64(std::string_view bytes, std::string& out) {
  const std::size_t start = out.size();
  AppendBase64Url(bytes, out);
  for (std::size_t i = start; i < out.size(); ++i) {
    if (out[i] == '-') out[i] = '+';
    if (out[i] == '_') out[i] = '/';
  }
  while ((out.size() - start) % 4 != 0) out.push_back('=');
}

}  // namespace livekit::token::protojson
