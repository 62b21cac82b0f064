#include "gateway/token_source_json.h"

#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "support/status_matchers.h"

namespace livekit::token::gateway {
namespace {

using nlohmann::json;
using testing::IsRefusal;

v1::IssueParticipantTokenResponse Token() {
  v1::IssueParticipantTokenResponse token;
  token.set_server_url("wss://a.example/\"\\");
  token.set_participant_token("a.b.c");
  token.set_room_name("r\n\xc3\xa9");
  token.set_key_id("APIkey");
  token.set_jti("jti");
  token.mutable_expire_time()->set_seconds(0);
  return token;
}

TEST(ReadTokenRequest, CountsWhatItIgnores) {
  int unknown = -1;
  ASSERT_OK(ReadTokenRequest("", &unknown));
  EXPECT_EQ(unknown, 0);
  ASSERT_OK(ReadTokenRequest(R"({"a":1,"b":{"c":2},"room_name":"r"})", &unknown));
  EXPECT_EQ(unknown, 2);
  EXPECT_THAT(ReadTokenRequest("[]", &unknown), IsRefusal(v1::INVALID_JSON));
}

TEST(WriteTokenResponse, EscapesAndNamesOnlyWhatTheContractNames) {
  const auto plain = json::parse(WriteTokenResponse(Token(), false).value_or(""));
  EXPECT_EQ(plain, (json{{"server_url", "wss://a.example/\"\\"}, {"participant_token", "a.b.c"}}));
  const auto extended = json::parse(WriteTokenResponse(Token(), true).value_or(""));
  EXPECT_EQ(extended, (json{{"server_url", "wss://a.example/\"\\"},
                            {"participant_token", "a.b.c"},
                            {"room_name", "r\n\xc3\xa9"},
                            {"participant_name", ""},
                            {"participant_identity", ""},
                            {"expires_at", "1970-01-01T00:00:00Z"}}));
}

TEST(WriteTokenResponse, RoundsTheExpiryDown) {
  auto token = Token();
  token.mutable_expire_time()->set_seconds(4102444799);
  token.mutable_expire_time()->set_nanos(999'999'999);
  EXPECT_EQ(json::parse(*WriteTokenResponse(token, true))["expires_at"], "2099-12-31T23:59:59Z");
}

TEST(WriteTokenResponse, RefusesToMakeAnAnswerWithoutToken) {
  auto token = Token();
  token.clear_server_url();
  EXPECT_FALSE(WriteTokenResponse(token, false));
  token = Token();
  token.clear_participant_token();
  EXPECT_FALSE(WriteTokenResponse(token, false));
  token = Token();
  token.set_server_url("ws://\xff");
  EXPECT_FALSE(WriteTokenResponse(token, false));
  token = Token();
  token.set_room_name("\xff");
  EXPECT_TRUE(WriteTokenResponse(token, false));
  EXPECT_FALSE(WriteTokenResponse(token, true));
}

TEST(WriteErrorBody, HasTheContractsMembersInOrder) {
  EXPECT_EQ(WriteErrorBody(ToError(RefuseField(v1::FIELD_REQUIRED, "room_name", "is needed")), "r-1"),
            R"({"error":"A required field is missing.","reason":"FIELD_REQUIRED",)"
            R"("fields":[{"field":"room_name","message":"is needed"}],"request_id":"r-1"})");
  EXPECT_EQ(WriteErrorBody(ToError(Refuse(v1::NOT_FOUND)), "r"),
            R"({"error":"There is nothing at this path.","reason":"NOT_FOUND","request_id":"r"})");
}

TEST(WriteErrorBody, StaysWithinItsLimitWhateverTheFields) {
  v1::Error error = ToError(Refuse(v1::FIELD_INVALID));
  const std::string id(128, 'i');
  for (int i = 0; i < 200; ++i) {
    auto& field = *error.add_fields();
    field.set_field("room_config.agents[" + std::to_string(i) + "].agent_name");
    field.set_message("is \"not\" a name");
    const std::string body = WriteErrorBody(error, id);
    ASSERT_LE(body.size(), kMaxErrorBody);
    const auto parsed = json::parse(body);
    ASSERT_EQ(parsed["request_id"], id);
    ASSERT_GE(parsed["fields"].size(), i == 0 ? 1u : 2u);
  }
  // One that does not fit does not keep out one that does.
  error.clear_fields();
  error.add_fields()->set_field(std::string(5000, 'x'));
  error.add_fields()->set_field("room_name");
  const auto parsed = json::parse(WriteErrorBody(error, id));
  ASSERT_EQ(parsed["fields"].size(), 1u);
  EXPECT_EQ(parsed["fields"][0]["field"], "room_name");
}

TEST(WriteErrorBody, UsesTheReasonsSentenceInPlaceOfOneThatCannotBeShown) {
  for (const std::string& message : {std::string(), std::string(5000, 'x'), std::string("\xff")}) {
    v1::Error error;
    error.set_reason(v1::RATE_LIMITED);
    error.set_message(message);
    EXPECT_EQ(json::parse(WriteErrorBody(error, "r"))["error"], "Too many requests.");
  }
  v1::Error error;
  error.set_reason(v1::FIELD_INVALID);
  error.add_fields()->set_field("\xff");
  EXPECT_FALSE(json::parse(WriteErrorBody(error, "r")).contains("fields"));
}

TEST(ForEndUser, HidesWhatHappensBetweenGatewayAndServer) {
  for (auto reason : {v1::CALLER_AUTHENTICATION_FAILED, v1::METHOD_NOT_PERMITTED, v1::BATCH_SIZE_INVALID,
                      v1::ERROR_REASON_UNSPECIFIED, static_cast<v1::ErrorReason>(12345)}) {
    v1::Error error;
    error.set_reason(reason);
    error.set_message("inside");
    error.add_fields()->set_field("items[0]");
    const v1::Error shown = ForEndUser(error);
    EXPECT_EQ(shown.reason(), v1::INTERNAL);
    EXPECT_EQ(shown.message(), std::string(GetReasonInfo(v1::INTERNAL).sentence));
    EXPECT_EQ(shown.fields_size(), 0);
  }
  EXPECT_EQ(ForEndUser(ToError(Refuse(v1::NO_POLICY))).reason(), v1::NO_POLICY);
}

}  // namespace
}  // namespace livekit::token::gateway
