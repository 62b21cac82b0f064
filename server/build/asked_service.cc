#include "server/build/asked_service.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "server/build/context.h"
#include "server/build/token_fields.h"

namespace livekit::token::build {
namespace {

constexpr std::chrono::seconds kMaxLifetime{60};
constexpr std::chrono::milliseconds kMinTimeout{100};
constexpr std::chrono::milliseconds kMaxTimeout{8000};
constexpr std::chrono::milliseconds kDefaultTimeout{3000};
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} * 1024;
constexpr http::ClientOptions kClientOptions{64, 1024};

std::chrono::milliseconds Timeout(const std::string& path, const google::protobuf::Duration* timeout,
                                  Context& context) {
  if (timeout == nullptr) return kDefaultTimeout;
  const auto time = std::chrono::seconds(std::clamp<std::int64_t>(timeout->seconds(), -1, 60)) +
                    std::chrono::milliseconds(timeout->nanos() / 1'000'000);
  if (time < kMinTimeout || time > kMaxTimeout) context.Problem(path, "must be from 100ms to 8s");
  return time;
}

}  // namespace

http::ClientRequest AskedService(const std::string& path, const std::string& url, bool allow_http,
                                 const std::string& ca_file, const google::protobuf::Duration* timeout,
                                 Context& context) {
  http::ClientRequest request;
  request.url = url;
  request.allow_http = allow_http;
  request.ca_file = ca_file;
  request.timeout = Timeout(ConfigPath(path, "timeout"), timeout, context);
  request.connect_timeout = std::min(request.connect_timeout, request.timeout);
  request.max_body_bytes = kMaxAnswerBytes;
  const std::string url_path = ConfigPath(path, "url");
  if (url.empty()) context.Problem(url_path, "is required");
  CheckAddress(url_path, url, allow_http, ", unless `allow_http` permits http://", context);
  CheckAuthorities(ConfigPath(path, "ca_file"), ca_file, context);
  return request;
}

std::chrono::seconds AnswerLifetime(const std::string& path, const google::protobuf::Duration& ttl, Context& context) {
  const auto lifetime = context.Seconds(path, ttl);
  if (lifetime.count() < 0 || lifetime > kMaxLifetime) {
    context.Problem(path, "must be from 0s to 60s: for that long a credential is accepted that has been revoked");
  }
  return lifetime;
}

std::unique_ptr<http::Client> OwnClient(const std::string& path, Context& context) {
  auto client = http::Client::Start(kClientOptions);
  if (client.ok()) return *std::move(client);
  context.Problem(path, "the service cannot be asked: the system refuses the client what it needs");
  return nullptr;
}

}  // namespace livekit::token::build
