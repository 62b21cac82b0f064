// A handler with a backend that does what a test says, and no sockets.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "gateway/backend.h"
#include "gateway/handler.h"
#include "gtest/gtest.h"
#include "http/server.h"
#include "nlohmann/json.hpp"
#include "service/metrics.h"

namespace livekit::token::gateway {

// Keeps the items it gets and answers each with what `answer` makes of it; without `answer` the tests answer later.
class FakeBackend : public Backend {
 public:
  void Issue(Item item, Done done) override {
    items.push_back(item);
    if (answer) {
      done(answer(item));
    } else {
      pending.push_back(std::move(done));
    }
  }
  bool Ready() const override { return true; }

  std::function<Result(const Item&)> answer = [](const Item&) { return Token(); };
  std::vector<Item> items;
  std::vector<Done> pending;

  static Result Token() {
    Result result;
    auto& token = *result.mutable_token();
    token.set_server_url("wss://acme.livekit.cloud");
    token.set_participant_token("aaa.bbb.ccc");
    token.set_room_name("standup");
    token.set_participant_identity("alice");
    token.set_participant_name("Alice \"A\"");
    token.mutable_expire_time()->set_seconds(1767323045);  // 2026-01-02T03:04:05Z
    return result;
  }
  static Result Refusal(const absl::Status& status) {
    Result result;
    *result.mutable_error() = ToError(status);
    return result;
  }
};

class HandlerTest : public ::testing::Test {
 protected:
  HandlerTest() {
    options.token_paths = {"/getToken", "/api/token"};
    options.relay_headers = {"authorization", "x-api-key"};
  }

  // A request as SDKs send it.
  static http::Request Post(std::string body, std::vector<http::Header> headers = {}) {
    http::Request request;
    request.method = "POST";
    request.path = "/getToken";
    request.headers = {{"Host", "tokens.acme.dev"}, {"Content-Type", "application/json"}};
    for (auto& header : headers) Set(request, header.name, header.value);
    request.body = std::move(body);
    request.peer_address = "203.0.113.7";
    return request;
  }

  // Replaces a header, or adds it.
  static void Set(http::Request& request, const std::string& name, const std::string& value) {
    Remove(request, name);
    request.headers.push_back({name, value});
  }
  static void Remove(http::Request& request, const std::string& name) {
    auto& headers = request.headers;
    headers.erase(std::remove_if(headers.begin(), headers.end(),
                                 [&](const http::Header& h) { return EqualsIgnoreCase(h.name, AsciiLower(name)); }),
                  headers.end());
  }

  TokenHandler& handler() {
    if (!handler_) handler_ = std::make_unique<TokenHandler>(options, backend, metrics);
    return *handler_;
  }

  // The answer, which must have come before Handle returned.
  http::Response Ask(http::Request request) {
    std::optional<http::Response> answer;
    handler().Handle(std::move(request), [&](http::Response response) {
      EXPECT_FALSE(answer.has_value()) << "answered twice";
      answer = std::move(response);
    });
    EXPECT_TRUE(answer.has_value()) << "not answered";
    return answer.value_or(http::Response());
  }

  HandlerOptions options;  // to be changed before the first request
  FakeBackend backend;
  Metrics metrics;
  std::unique_ptr<TokenHandler> handler_;
};

// The value of a header of an answer, or nothing; several values are a failure.
inline std::optional<std::string> HeaderOf(const http::Response& response, const std::string& name) {
  std::optional<std::string> value;
  for (const auto& header : response.headers) {
    if (AsciiLower(header.name) != AsciiLower(name)) continue;
    EXPECT_FALSE(value.has_value()) << name << " occurs twice";
    value = header.value;
  }
  return value;
}

inline nlohmann::json JsonOf(const http::Response& response) {
  return nlohmann::json::parse(response.body, nullptr, /*allow_exceptions=*/false);
}

// The reason that an error body names.
inline std::string ReasonIn(const http::Response& response) {
  const auto json = JsonOf(response);
  return json.is_object() && json.contains("reason") ? json["reason"].get<std::string>() : "";
}

}  // namespace livekit::token::gateway
