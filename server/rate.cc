#include "server/rate.h"

#include "absl/status/status.h"

namespace livekit::token {
namespace {

constexpr char kForm[] =
    "is not a rate; write 10/s, 600/m or 1000/h, with ` burst 50` for what may come at once, or off";
constexpr std::string_view kBurst = " burst ";

// Takes decimal digits without leading zero, 1 to `most`, from the front of `text`.
std::optional<std::int64_t> TakeNumber(std::string_view& text, std::int64_t most) {
  std::int64_t number = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    number = number * 10 + (text[digits] - '0');
    if (number > most || number == 0) return std::nullopt;
  }
  text.remove_prefix(digits);
  return digits == 0 ? std::nullopt : std::optional(number);
}

}  // namespace

absl::StatusOr<std::optional<Rate>> ParseRate(std::string_view text) {
  if (text == "off") return std::optional<Rate>();
  const absl::Status malformed = absl::InvalidArgumentError(kForm);
  Rate rate;
  const auto count = TakeNumber(text, Rate::kMost);
  if (!count || text.size() < 2 || text[0] != '/') return malformed;
  rate.count = *count;
  switch (text[1]) {
    case 's':
      rate.burst = 2 * rate.count;
      break;
    case 'm':
      rate.period = std::chrono::minutes(1);
      rate.burst = rate.count;
      break;
    case 'h':
      rate.period = std::chrono::hours(1);
      rate.burst = rate.count;
      break;
    default:
      return malformed;
  }
  text.remove_prefix(2);
  if (text.empty()) return std::optional(rate);
  if (text.substr(0, kBurst.size()) != kBurst) return malformed;
  text.remove_prefix(kBurst.size());
  const auto burst = TakeNumber(text, 2 * Rate::kMost);
  if (!burst || !text.empty()) return malformed;
  rate.burst = *burst;
  return std::optional(rate);
}

}  // namespace livekit::token
