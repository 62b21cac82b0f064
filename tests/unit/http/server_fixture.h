// A server with a handler that a test writes as a lambda.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/status.h"
#include "gtest/gtest.h"
#include "http/server.h"
#include "support/raw_client.h"
#include "support/status_matchers.h"

namespace livekit::token::http {

inline Response TextResponse(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

// Answers with what `on_request` says; refusals carry the name of their reason.
class LambdaHandler final : public Handler {
 public:
  std::function<void(Request, Respond)> on_request = [](Request request, Respond respond) {
    respond(TextResponse(200, request.method + " " + request.path + " " + request.body));
  };

  void Handle(const Request& request, Respond respond) override { on_request(request, std::move(respond)); }
  Response Refuse(const Request& request, v1::ErrorReason reason) override {
    Response response = TextResponse(GetReasonInfo(reason).http_status, v1::ErrorReason_Name(reason));
    response.headers.push_back({"X-Refused", request.method + " " + request.path});
    return response;
  }
};

class ServerFixture : public ::testing::Test {
 protected:
  // Options of a small server: one path with a body, on any port of 127.0.0.1.
  static ServerOptions SmallOptions() {
    ServerOptions options;
    options.address = "127.0.0.1:0";
    options.body_paths = {"/token"};
    options.threads = 2;
    return options;
  }

  void Start(ServerOptions options = SmallOptions()) {
    ASSERT_OK_AND_ASSIGN(server_, Server::Start(std::move(options), handler_));
  }

  // Stops the server before what its handler uses goes: requests may still arrive while a test ends. For after the
  // handler's variables.
  [[nodiscard]] auto StoppedWithScope() {
    return absl::MakeCleanup([this] { server_.reset(); });
  }

  // One answer on a connection of its own, which has to end after it.
  void ExpectRefused(std::string_view bytes, v1::ErrorReason reason) {
    testing::RawClient client(server_->port());
    const auto response = client.Exchange(bytes);
    ASSERT_TRUE(response) << v1::ErrorReason_Name(reason);
    EXPECT_EQ(response->status, GetReasonInfo(reason).http_status);
    EXPECT_EQ(response->body, v1::ErrorReason_Name(reason));
    EXPECT_EQ(response->Header("connection"), "close");
    EXPECT_TRUE(client.AtEnd()) << "more than one answer, or no end, after " << v1::ErrorReason_Name(reason);
  }

  LambdaHandler handler_;
  std::unique_ptr<Server> server_;
};

}  // namespace livekit::token::http
