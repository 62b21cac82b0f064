#include "livekit/token/grants.h"

#include <string>

#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace livekit::token {
namespace {

using testing::IsFieldRefusal;

v1::Grants Joining() {
  v1::Grants grants;
  grants.set_identity("alice");
  grants.mutable_video()->set_room_join(true);
  grants.mutable_video()->set_room("lobby");
  return grants;
}

google::protobuf::Value True() {
  google::protobuf::Value value;
  value.set_bool_value(true);
  return value;
}

TEST(CheckGrants, NeedsRoomAndIdentityToJoin) {
  EXPECT_OK(CheckGrants(Joining()));
  auto grants = Joining();
  grants.clear_identity();
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_REQUIRED, "identity"));
  grants = Joining();
  grants.mutable_video()->clear_room();
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_REQUIRED, "video.room"));
  grants.mutable_video()->set_room_join(false);
  grants.mutable_video()->set_room_admin(true);
  EXPECT_OK(CheckGrants(grants));
}

TEST(CheckGrants, CountsBytesNotCharacters) {
  const std::string two_bytes = "\xc3\xa9";
  std::string fits;
  for (int i = 0; i < 128; ++i) fits += two_bytes;
  auto grants = Joining();
  grants.set_identity(fits);
  grants.set_name(fits);
  grants.mutable_video()->set_room(fits);
  grants.mutable_video()->set_destination_room(fits);
  EXPECT_OK(CheckGrants(grants));
  grants.set_identity(fits + "x");
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_TOO_LONG, "identity"));
  grants.set_identity(fits);
  grants.set_name(fits + "x");
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_TOO_LONG, "name"));
  grants.set_name(fits);
  grants.mutable_video()->set_room(fits + "x");
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_TOO_LONG, "video.room"));
  grants.mutable_video()->set_room(fits);
  grants.mutable_video()->set_destination_room(fits + "x");
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_TOO_LONG, "video.destination_room"));
}

TEST(CheckGrants, LimitsMetadataAndTheSumOfAttributes) {
  auto grants = Joining();
  grants.set_metadata(std::string(512 * 1024, 'm'));
  (*grants.mutable_attributes())["k"] = std::string(65535 - 10, 'v');
  (*grants.mutable_attributes())["other"] = "five5";
  EXPECT_OK(CheckGrants(grants));
  (*grants.mutable_attributes())["other"] = "sixsix";
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_TOO_LONG, "attributes"));
  grants.clear_attributes();
  grants.mutable_metadata()->push_back('m');
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_TOO_LONG, "metadata"));
}

TEST(CheckGrants, KnowsLiveKitsNames) {
  for (const auto kind : ParticipantKinds()) {
    auto grants = Joining();
    grants.set_kind(std::string(kind));
    EXPECT_OK(CheckGrants(grants));
  }
  EXPECT_EQ(ParticipantKinds().size(), 7u);
  EXPECT_EQ(KindDetails().size(), 6u);
  for (const char* kind : {"Standard", "STANDARD", "robot", " sip"}) {
    auto grants = Joining();
    grants.set_kind(kind);
    EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "kind")) << kind;
  }
  auto grants = Joining();
  grants.add_kind_details("forwarded");
  grants.add_kind_details("unheard_of");
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "kind_details[1]"));
  grants = Joining();
  for (const char* source : {"camera", "microphone", "screen_share", "screen_share_audio"}) {
    grants.mutable_video()->add_can_publish_sources(source);
  }
  EXPECT_OK(CheckGrants(grants));
  grants.mutable_video()->add_can_publish_sources("CAMERA");
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "video.can_publish_sources[4]"));
}

TEST(CheckGrants, TakesOnlyThePaddedBase64OfASha256) {
  v1::Grants grants;
  grants.set_sha256("CoEQz1chqJ9bnZRcORddjplkvpjmPujmLTR42DbefYI=");
  EXPECT_OK(CheckGrants(grants));
  for (const char* text :
       {"CoEQz1chqJ9bnZRcORddjplkvpjmPujmLTR42DbefYI", "CoEQz1chqJ9bnZRcORddjplkvpjmPujmLTR42DbefYJ=",
        "CoEQz1chqJ9bnZRcORddjplkvpjmPujmLTR42Dbef-I=", "CoEQz1chqJ9bnZRcORddjplkvpjmPujmLTR42DbefY==",
        "0a8110cf5721a89f5b9d945c39175d8e9964be98e63ee8e62d3478d836de7d82"}) {
    grants.set_sha256(text);
    EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "sha256")) << text;
  }
}

TEST(CheckGrants, RefusesExtraClaimsThatShadowKnownOnesInAnyCase) {
  for (const char* name : {"iss",        "SUB",        "exp",        "Nbf",         "iat",         "jti",      "aud",
                           "identity",   "name",       "kind",       "kindDetails", "KINDDETAILS", "metadata", "sha256",
                           "roomPreset", "roomConfig", "roomconfig", "attributes",  "Video",       "VIDEO",    "SIP"}) {
    auto grants = Joining();
    auto& value = (*grants.mutable_extra_claims()->mutable_fields())[name];
    value.mutable_struct_value();
    EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, std::string("extra_claims.") + name)) << name;
  }
}

TEST(CheckGrants, RefusesExtraMembersThatShadowKnownOnesInAnyCase) {
  for (const auto& [object, member] : {std::pair{"video", "roomAdmin"},
                                       {"video", "ROOMADMIN"},
                                       {"video", "agent"},
                                       {"video", "canpublish"},
                                       {"sip", "Admin"},
                                       {"agent", "databaseadmin"},
                                       {"inference", "perform"},
                                       {"observability", "WRITE"}}) {
    auto grants = Joining();
    auto& fields = *(*grants.mutable_extra_claims()->mutable_fields())[object].mutable_struct_value()->mutable_fields();
    fields[member] = True();
    EXPECT_THAT(CheckGrants(grants),
                IsFieldRefusal(v1::FIELD_INVALID, std::string("extra_claims.") + object + "." + member));
  }
}

TEST(CheckGrants, RefusesExtraNamesThatFoldToKnownOnesOutsideAscii) {
  // U+017F folds to s and U+212A to k in Go's case-insensitive match.
  for (const char* name : {"\xc5\xbfub", "\xe2\x84\xaaind", "", "a b", "tab\t", "\x7f"}) {
    auto grants = Joining();
    (*grants.mutable_extra_claims()->mutable_fields())[name] = True();
    EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "extra_claims")) << name;
    grants = Joining();
    (*(*grants.mutable_extra_claims()->mutable_fields())["video"].mutable_struct_value()->mutable_fields())[name] =
        True();
    EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "extra_claims.video")) << name;
  }
}

TEST(CheckGrants, RefusesExtraValuesThatDecodersStumbleOn) {
  auto grants = Joining();
  auto& value = (*grants.mutable_extra_claims()->mutable_fields())["x"];
  value.set_null_value(google::protobuf::NULL_VALUE);
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "extra_claims.x"));
  value.set_number_value(std::numeric_limits<double>::infinity());
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "extra_claims.x"));
  value.set_number_value(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "extra_claims.x"));
  value.mutable_list_value()->add_values();
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "extra_claims.x"));
  google::protobuf::Value deep = True();
  for (int i = 0; i < 20; ++i) {
    google::protobuf::Value outer;
    *outer.mutable_list_value()->add_values() = deep;
    deep = outer;
  }
  value = deep;
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "extra_claims.x"));
  (*grants.mutable_extra_claims()->mutable_fields())["x"] = True();
  EXPECT_OK(CheckGrants(grants));
  (*grants.mutable_extra_claims()->mutable_fields())["video"] = True();
  EXPECT_THAT(CheckGrants(grants), IsFieldRefusal(v1::FIELD_INVALID, "extra_claims.video"));
}

}  // namespace
}  // namespace livekit::token
