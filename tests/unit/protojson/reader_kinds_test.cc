// Every kind of field, on a schema that is built at run time; so types of other pools than the program's own are read
// and written as well.
#include <fstream>
#include <memory>
#include <string>

#include "google/protobuf/any.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/wrappers.pb.h"
#include "gtest/gtest.h"
#include "protojson/reader.h"
#include "protojson/writer.h"
#include "support/status_matchers.h"

namespace livekit::token::protojson {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::DynamicMessageFactory;
using google::protobuf::FileDescriptorSet;
using google::protobuf::Message;

class ReadKinds : public ::testing::Test {
 protected:
  ReadKinds() : pool_(DescriptorPool::generated_pool()), factory_(&pool_) {
    // The well-known types must be linked for the pool beneath to have them.
    google::protobuf::LinkMessageReflection<google::protobuf::Any>();
    google::protobuf::LinkMessageReflection<google::protobuf::Duration>();
    google::protobuf::LinkMessageReflection<google::protobuf::FieldMask>();
    google::protobuf::LinkMessageReflection<google::protobuf::Struct>();
    google::protobuf::LinkMessageReflection<google::protobuf::Timestamp>();
    google::protobuf::LinkMessageReflection<google::protobuf::StringValue>();
    std::ifstream file(KINDS_DESCRIPTOR_SET, std::ios::binary);
    FileDescriptorSet set;
    EXPECT_TRUE(set.ParseFromIstream(&file));
    const auto* built = pool_.BuildFile(set.file(0));
    EXPECT_NE(built, nullptr);
    message_.reset(factory_.GetPrototype(built->FindMessageTypeByName("Kinds"))->New());
  }

  // What is written after reading `json`, or the path at fault.
  std::string RoundTrip(const std::string& json) {
    const absl::Status status = Read(json, ReadOptions(), *message_);
    if (!status.ok()) {
      const v1::Error error = ToError(status);
      return error.fields_size() == 1 ? error.fields(0).field() : v1::ErrorReason_Name(error.reason());
    }
    std::string out;
    return Append(*message_, out) ? out : "not writable";
  }

  // For members that are read and written alike.
  void ExpectSame(const std::string& json) { EXPECT_EQ(RoundTrip(json), json); }
  void ExpectRefused(const std::string& member, const std::string& path) {
    EXPECT_EQ(RoundTrip("{" + member + "}"), path) << member;
  }

  DescriptorPool pool_;
  DynamicMessageFactory factory_;
  std::unique_ptr<Message> message_;
};

TEST_F(ReadKinds, ReadsAndWritesEveryScalar) {
  ExpectSame(
      R"({"b":true,"i32":-2147483648,"i64":"-9223372036854775808","u32":4294967295,"u64":"18446744073709551615",)"
      R"("s32":-1,"s64":"-1","f32":7,"f64":"7","sf32":-7,"sf64":"-7","f":0.1,"d":0.1,"s":"x","data":"AP/+",)"
      R"("color":"GREEN","leaf":{"s":"y"}})");
}

TEST_F(ReadKinds, ReadsAndWritesEveryList) {
  ExpectSame(
      R"({"bs":[true,false],"i32s":[1,-1],"i64s":["1"],"u64s":["0"],"fs":[1.5,"NaN","-Infinity"],"ds":[0,"Infinity"],)"
      R"("ss":["",""],"datas":["","AQ=="],"colors":["RED",7,"CRIMSON"],"leaves":[{},{"s":"z"}],"u32s":[1]})");
  EXPECT_EQ(RoundTrip(R"({"bs":[],"leaves":[]})"), "{}");
  ExpectRefused(R"("i32s":[1,"x"])", "i32s[1]");
  ExpectRefused(R"("i32s":1)", "i32s");
  ExpectRefused(R"("bs":[null])", "bs[0]");
  ExpectRefused(R"("ss":[["a"]])", "ss[0]");
  ExpectRefused(R"("leaves":[{"s":1}])", "leaves[0].s");
}

TEST_F(ReadKinds, ReadsAndWritesMapsWithEveryKey) {
  ExpectSame(
      R"({"byString":{"":1,"a":2},"byBool":{"false":"f","true":"t"},"byI32":{"-2147483648":"min","-1":"","0":"","10":""},)"
      R"("byI64":{"-9223372036854775808":{},"9223372036854775807":{"s":"x"}},"byU32":{"0":"","4294967295":"AQ=="},)"
      R"("byU64":{"9":"RED","10":"GREEN","18446744073709551615":5},"deep":{"a":{"deep":{"a":{"b":true}}}}})");
  for (const char* key : {"01", "+1", "-0", "1.0", "1e0", "", " 1", "x", "2147483648", "1 "}) {
    ExpectRefused("\"byI32\":{\"" + std::string(key) + "\":\"\"}", "by_i32");
  }
  ExpectRefused(R"("byU32":{"-1":""})", "by_u32");
  ExpectRefused(R"("byBool":{"True":""})", "by_bool");
  ExpectRefused(R"("byBool":{"true":"","tru\u0065":""})", "by_bool");
  ExpectRefused(R"("byI32":{"1":"","1":""})", "by_i32");
  ExpectRefused(R"("byI32":{"1":null})", "by_i32");
  ExpectRefused(R"("byI64":{"1":{"s":1}})", "by_i64.s");
  ExpectRefused(R"("byI32":[])", "by_i32");
  ExpectRefused(R"("deep":{"a":{"bs":[1]}})", "deep.bs[0]");
}

TEST_F(ReadKinds, Reads64BitIntegersExactly) {
  EXPECT_EQ(RoundTrip(R"({"i64":9223372036854775807,"u64":18446744073709551615,"s64":9007199254740993})"),
            R"({"i64":"9223372036854775807","u64":"18446744073709551615","s64":"9007199254740993"})");
  EXPECT_EQ(RoundTrip(R"({"i64":9.007199254740993e15,"u64":"1844674407370955161.5e1"})"),
            R"({"i64":"9007199254740993","u64":"18446744073709551615"})");
  ExpectRefused(R"("i64":9223372036854775808)", "i64");
  ExpectRefused(R"("i64":-9223372036854775809)", "i64");
  ExpectRefused(R"("u64":18446744073709551616)", "u64");
  ExpectRefused(R"("u64":-1)", "u64");
  ExpectRefused(R"("u64":"1.8446744073709551616e19")", "u64");
}

TEST_F(ReadKinds, ChecksTheRangeOfFloats) {
  ExpectSame(R"({"f":3.4028235e+38})");
  ExpectRefused(R"("f":3.5e38)", "f");
  ExpectRefused(R"("f":"-1e39")", "f");
}

TEST_F(ReadKinds, ReadsBytesInBothAlphabets) {
  EXPECT_EQ(RoundTrip(R"({"data":"_-8"})"), R"({"data":"/+8="})");
  EXPECT_EQ(RoundTrip(R"({"data":"/+8="})"), R"({"data":"/+8="})");
  EXPECT_EQ(RoundTrip(R"({"data":""})"), "{}");
  for (const char* text :
       {"A", "A===", "AA=", "AAA==", "AB==", "=", "====", "AA\\n==", " AA==", "_+8=", "A*==", "AAAA="}) {
    ExpectRefused("\"data\":\"" + std::string(text) + "\"", "data");
  }
  ExpectRefused(R"("data":1)", "data");
}

TEST_F(ReadKinds, DropsElementsWithUnknownEnumNamesWhenAsked) {
  ReadOptions lenient;
  lenient.ignore_unknown_enum_names = true;
  ASSERT_OK(Read(R"({"colors":["GREEN","BLUE","RED"],"by_u64":{"1":"BLUE","2":"GREEN"},"color":"BLUE"})", lenient,
                 *message_));
  std::string out;
  ASSERT_TRUE(Append(*message_, out));
  EXPECT_EQ(out, R"({"colors":["GREEN","RED"],"byU64":{"2":"GREEN"}})");
  ExpectRefused(R"("by_u64":{"1":"BLUE"})", "by_u64");
}

TEST_F(ReadKinds, KeepsPresence) {
  ExpectSame(R"({"maybe":0,"maybeText":""})");
  EXPECT_EQ(RoundTrip(R"({"maybe":null})"), "{}");
  ExpectRefused(R"("maybe":1,"maybe":1)", "maybe");
}

TEST_F(ReadKinds, ReadsOneMemberOfAOneof) {
  ExpectSame(R"({"text":""})");
  ExpectSame(R"({"number":"0"})");
  ExpectSame(R"({"child":{}})");
  ExpectSame(R"({"nothing":null})");
  EXPECT_EQ(RoundTrip(R"({"text":null,"number":5,"child":null})"), R"({"number":"5"})");
  ExpectRefused(R"("text":"","number":"0")", "number");
  ExpectRefused(R"("number":"0","child":{})", "child");
  ExpectRefused(R"("child":{},"nothing":null)", "nothing");
}

TEST_F(ReadKinds, ReadsFreeFormValues) {
  ExpectSame(
      R"({"values":{"a":null,"b":[1,[],{}]},"value":{"x":null},"object":{"y":[true,"s",0.5]},"list":[null,{"z":[]}],)"
      R"("anyValues":[null,1,"a",[],{}]})");
  ExpectSame(R"({"value":null})");
  ExpectSame(R"({"value":[[],[null]]})");
  EXPECT_EQ(RoundTrip(R"({"object":null,"list":null})"), "{}");
  ExpectRefused(R"("object":[])", "object");
  ExpectRefused(R"("list":{})", "list");
  ExpectRefused(R"("object":{"a":1,"\u0061":1})", "object");
  ExpectRefused(R"("value":{"a":{"b":1,"b":2}})", "value");
  ExpectRefused(R"("anyValues":null,"anyValues":[])", "any_values");
}

TEST_F(ReadKinds, ReadsTimes) {
  ExpectSame(R"({"time":"2026-01-31T12:00:00Z","duration":"-1.500s","times":["1970-01-01T00:00:00.000001Z"]})");
  EXPECT_EQ(RoundTrip(R"({"time":"2026-01-31T12:00:00.5+01:00","duration":"3s"})"),
            R"({"time":"2026-01-31T11:00:00.500Z","duration":"3s"})");
  for (const char* text :
       {"", "2026-01-31", "2026-01-31T12:00:00", "2026-1-31T12:00:00Z", "2026-01-31 12:00:00Z", "2026-01-31t12:00:00z",
        "2026-13-31T12:00:00Z", "2026-02-30T12:00:00Z", " 2026-01-31T12:00:00Z", "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00.0000000001Z", "0000-01-01T00:00:00Z", "2026-01-31T25:00:00Z", "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00ZZ"}) {
    ExpectRefused("\"time\":\"" + std::string(text) + "\"", "time");
  }
  for (const char* text : {"", "s", "1", "1.s", ".5s", "+1s", " 1s", "1s ", "1.0000000001s", "315576000001s", "--1s",
                           "1ss", "1e3s", "99999999999999999999s"}) {
    ExpectRefused("\"duration\":\"" + std::string(text) + "\"", "duration");
  }
  ExpectRefused(R"("time":1)", "time");
  ExpectRefused(R"("duration":{"seconds":1})", "duration");
  ExpectRefused(R"("times":[null])", "times[0]");
}

TEST_F(ReadKinds, RefusesTypesWithoutSupport) {
  ExpectRefused(R"("any":{"@type":"x"})", "any");
  ExpectRefused(R"("mask":"a,b")", "mask");
  ExpectRefused(R"("wrapped":"x")", "wrapped");
  EXPECT_EQ(RoundTrip(R"({"any":null,"mask":null,"wrapped":null})"), "{}");
  const auto* reflection = message_->GetReflection();
  reflection->MutableMessage(message_.get(), message_->GetDescriptor()->FindFieldByName("wrapped"));
  std::string out;
  EXPECT_FALSE(Append(*message_, out));
}

TEST_F(ReadKinds, EscapesCustomNames) {
  ExpectSame(R"({"od\"d":"x"})");
  EXPECT_EQ(RoundTrip(R"({"odd_name":"x"})"), R"({"od\"d":"x"})");
  EXPECT_EQ(RoundTrip(R"({"oddName":"x"})"), "{}");
}

TEST_F(ReadKinds, FindsDuplicatesBeyondTheFirst64Fields) {
  ASSERT_GT(message_->GetDescriptor()->field_count(), 66);
  ExpectSame(R"({"p12":"a","p13":"b"})");
  ExpectRefused(R"("p13":"a","p13":"b")", "p13");
  ExpectRefused(R"("p13":null,"p12":"","p13":null)", "p13");
  EXPECT_EQ(RoundTrip(R"({"p13":"a","self":{"p13":"b"}})"), R"({"self":{"p13":"b"},"p13":"a"})");
}

TEST_F(ReadKinds, ReadsAStructAsTheWholeText) {
  google::protobuf::Struct object;
  EXPECT_OK(Read(R"({"a":[1]})", ReadOptions(), object));
  std::string out;
  EXPECT_TRUE(Append(object, out));
  EXPECT_EQ(out, R"({"a":[1]})");
  google::protobuf::Value value;
  EXPECT_OK(Read(R"({"a":1})", ReadOptions(), value));
  EXPECT_THAT(Read("[1]", ReadOptions(), value), token::testing::IsRefusal(v1::INVALID_JSON));
  google::protobuf::Timestamp time;
  EXPECT_THAT(Read("{}", ReadOptions(), time), token::testing::IsRefusal(v1::INVALID_JSON));
}

}  // namespace
}  // namespace livekit::token::protojson
