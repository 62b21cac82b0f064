// Reader and writer against protobuf's own on random messages. protobuf's parser is too lenient for requests, but on
// well-formed input the two must agree.
#include <random>
#include <string>

#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/grants.pb.h"
#include "livekit_token_source.pb.h"
#include "nlohmann/json.hpp"
#include "protojson/reader.h"
#include "protojson/writer.h"
#include "support/random_message.h"
#include "support/status_matchers.h"

namespace livekit::token::protojson {
namespace {

using google::protobuf::util::JsonPrintOptions;
using google::protobuf::util::JsonStringToMessage;
using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::MessageToJsonString;

constexpr int kIterations = 8000;

template <typename T>
class Differential : public ::testing::Test {};

struct RoomConfigurationCase {
  using Message = livekit::RoomConfiguration;
  static constexpr std::uint64_t kSeed = 1;
};
struct TokenSourceRequestCase {
  using Message = livekit::TokenSourceRequest;
  static constexpr std::uint64_t kSeed = 2;
};
struct GrantsCase {
  using Message = v1::Grants;
  static constexpr std::uint64_t kSeed = 3;
};
using Cases = ::testing::Types<RoomConfigurationCase, TokenSourceRequestCase, GrantsCase>;
TYPED_TEST_SUITE(Differential, Cases);

TYPED_TEST(Differential, AgreesWithProtobufOnRandomMessages) {
  std::mt19937_64 random(TypeParam::kSeed);
  const token::testing::RandomMessageOptions options;
  const ReadOptions read_options;
  std::size_t bytes = 0;
  for (int i = 0; i < kIterations; ++i) {
    typename TypeParam::Message message;
    token::testing::FillRandomly(random, options, message);

    std::string ours;
    ASSERT_TRUE(Append(message, ours)) << message.ShortDebugString();
    bytes += ours.size();
    std::string theirs;
    ASSERT_TRUE(MessageToJsonString(message, &theirs).ok());
    ASSERT_EQ(nlohmann::json::parse(ours), nlohmann::json::parse(theirs)) << ours << "\n" << theirs;

    typename TypeParam::Message parsed;
    ASSERT_TRUE(JsonStringToMessage(ours, &parsed).ok()) << ours;
    ASSERT_TRUE(MessageDifferencer::Equals(message, parsed)) << ours;

    for (const bool proto_names : {false, true}) {
      JsonPrintOptions print;
      print.preserve_proto_field_names = proto_names;
      theirs.clear();
      ASSERT_TRUE(MessageToJsonString(message, &theirs, print).ok());
      ReadReport report;
      ASSERT_OK(Read(theirs, read_options, parsed, &report)) << theirs;
      ASSERT_EQ(report.unknown_fields, 0);
      ASSERT_TRUE(MessageDifferencer::Equals(message, parsed)) << theirs;
    }
  }
  EXPECT_GT(bytes, kIterations * 100u) << "the messages are too small to prove anything";
}

}  // namespace
}  // namespace livekit::token::protojson
