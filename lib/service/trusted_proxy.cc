#include "service/trusted_proxy.h"

#include <algorithm>
#include <array>

#include "base/network.h"

namespace livekit::token {
namespace {

constexpr std::size_t kMaxName = 64;

constexpr std::array<std::string_view, 26> kOtherUses = {"accept",
                                                         "authorization",
                                                         "connection",
                                                         "content-encoding",
                                                         "content-length",
                                                         "content-type",
                                                         "cookie",
                                                         "expect",
                                                         "forwarded",
                                                         "host",
                                                         "keep-alive",
                                                         "origin",
                                                         "proxy-authorization",
                                                         "proxy-connection",
                                                         "referer",
                                                         "te",
                                                         "traceparent",
                                                         "tracestate",
                                                         "trailer",
                                                         "transfer-encoding",
                                                         "upgrade",
                                                         "user-agent",
                                                         "x-caller-authorization",
                                                         "x-real-ip",
                                                         "x-request-id",
                                                         "x-sandbox-id"};
constexpr std::array<std::string_view, 2> kOtherFamilies = {"x-forwarded-", "grpc-"};

bool BeginsWith(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

}  // namespace

std::string CheckIdentityHeader(std::string_view name) {
  // An underscore would make it the twin of the name with a hyphen, which some proxies take for the same and others
  // let through.
  const bool valid = !name.empty() && name.size() <= kMaxName && name.front() >= 'a' && name.front() <= 'z' &&
                     std::all_of(name.begin(), name.end(),
                                 [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (!valid) return "is not a header name of lower-case letters, digits and hyphens, such as x-auth-request-user";
  const auto begins = [name](std::string_view start) { return BeginsWith(name, start); };
  constexpr std::string_view kBinary = "-bin";  // gRPC decodes such metadata
  if (std::find(kOtherUses.begin(), kOtherUses.end(), name) != kOtherUses.end() ||
      std::any_of(kOtherFamilies.begin(), kOtherFamilies.end(), begins) ||
      (name.size() >= kBinary.size() && name.substr(name.size() - kBinary.size()) == kBinary)) {
    return "has another use and cannot say who the user is; configure the proxy to set a header of its own";
  }
  return "";
}

std::string CheckProxyNetwork(std::string_view text) {
  const auto network = Network::Parse(text);
  if (!network.ok()) return std::string(network.status().message());
  if (network->IsEverything()) {
    return "would let everybody say who they are; list the networks of the proxies";
  }
  return "";
}

}  // namespace livekit::token
