#include "livekit/token/room_config.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"
#include "livekit_egress.pb.h"
#include "livekit_room.pb.h"
#include "protojson/reader.h"
#include "protojson/writer.h"
#include "support/status_matchers.h"
#include "token/sfu_schema.h"

namespace livekit::token {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using testing::IsFieldRefusal;
using testing::IsRefusal;

#ifdef PROTO_ROOT_REPLACED
constexpr bool kOwnSchema = false;
#else
constexpr bool kOwnSchema = true;
#endif

livekit::RoomConfiguration Config(const std::string& json) {
  livekit::RoomConfiguration config;
  EXPECT_OK(protojson::Read(json, protojson::ReadOptions(), config)) << json;
  return config;
}

// The path that the check refuses; empty if it lets the configuration pass.
std::string Refused(const std::string& json) {
  const absl::Status status = CheckRoomConfigCredentials(Config(json));
  if (status.ok()) return "";
  const v1::Error error = ToError(status);
  EXPECT_EQ(error.reason(), v1::CREDENTIALS_IN_ROOM_CONFIG);
  EXPECT_EQ(error.fields_size(), 1);
  return error.fields(0).field();
}

std::string Room(const std::string& members) { return R"({"egress":{"room":{)" + members + "}}}"; }
std::string Tracks(const std::string& members) { return R"({"egress":{"tracks":{)" + members + "}}}"; }

// All messages that a room configuration reaches, without the entries of maps.
std::vector<const Descriptor*> Reachable() {
  std::vector<const Descriptor*> types = {livekit::RoomConfiguration::descriptor()};
  for (std::size_t i = 0; i < types.size(); ++i) {
    for (int f = 0; f < types[i]->field_count(); ++f) {
      const FieldDescriptor* field = types[i]->field(f);
      if (field->message_type() == nullptr || field->is_map()) continue;
      if (std::find(types.begin(), types.end(), field->message_type()) == types.end()) {
        types.push_back(field->message_type());
      }
    }
  }
  return types;
}

TEST(CheckRoomConfigCredentials, PassesConfigurationsWithoutCredentials) {
  for (
      const std::string& json :
      {std::string("{}"), std::string(R"({"agents":[{}],"metadata":"secret","tags":{"secret":"x"}})"),
       Tracks(R"("s3":{"access_key":"AKIA","bucket":"b","region":"r","endpoint":"https://s3.example"})"),
       Tracks(R"("aliOSS":{"access_key":"AKIA"})"), Tracks(R"("azure":{"account_name":"n","container_name":"c"})"),
       Tracks(R"("gcp":{"bucket":"b","proxy":{"url":"http://proxy:3128","username":"u"}})"),
       Tracks(R"("s3":{"secret":"","session_token":"","proxy":{"password":""}})"),
       Room(
           R"("stream_outputs":[],"stream":null,"webhooks":[{"url":"https://h.example/a:b@c","signing_key":"APIx"}])")}) {
    EXPECT_EQ(Refused(json), "") << json;
  }
}

TEST(CheckRoomConfigCredentials, RefusesSecretsAtAnyDepthWithTheirPath) {
  const std::map<std::string, std::string> cases = {
      {Room(R"("file_outputs":[{"s3":{"secret":"x"}}])"), "room_config.egress.room.file_outputs[0].s3.secret"},
      {Room(R"("file_outputs":[{},{"azure":{"account_key":"x"}}])"),
       "room_config.egress.room.file_outputs[1].azure.account_key"},
      {Room(R"("segment_outputs":[{"aliOSS":{"access_key":"a","secret":"x"}}])"),
       "room_config.egress.room.segment_outputs[0].aliOSS.secret"},
      {Room(R"("image_outputs":[{"gcp":{"credentials":"{}"}}])"),
       "room_config.egress.room.image_outputs[0].gcp.credentials"},
      {Room(R"("file":{"s3":{"secret":"x"}})"), "room_config.egress.room.file.s3.secret"},
      {Room(R"("segments":{"gcp":{"credentials":"x"}})"), "room_config.egress.room.segments.gcp.credentials"},
      {R"({"egress":{"participant":{"file_outputs":[{"s3":{"session_token":"x"}}]}}})",
       "room_config.egress.participant.file_outputs[0].s3.session_token"},
      {R"({"egress":{"participant":{"segment_outputs":[{"gcp":{"credentials":"x"}}]}}})",
       "room_config.egress.participant.segment_outputs[0].gcp.credentials"},
      {Tracks(R"("s3":{"assume_role_external_id":"x"})"), "room_config.egress.tracks.s3.assume_role_external_id"},
      {Tracks(R"("s3":{"proxy":{"password":"x"}})"), "room_config.egress.tracks.s3.proxy.password"},
      {Tracks(R"("gcp":{"proxy":{"password":"x"}})"), "room_config.egress.tracks.gcp.proxy.password"},
  };
  for (const auto& [json, path] : cases) EXPECT_EQ(Refused(json), path) << json;
}

TEST(CheckRoomConfigCredentials, RefusesEveryStreamOutput) {
  EXPECT_EQ(Refused(Room(R"("stream_outputs":[{"urls":["rtmp://h/KEY"]}])")),
            "room_config.egress.room.stream_outputs[0]");
  EXPECT_EQ(Refused(Room(R"("stream_outputs":[{}])")), "room_config.egress.room.stream_outputs[0]");
  EXPECT_EQ(Refused(Room(R"("stream":{})")), "room_config.egress.room.stream");
}

TEST(CheckRoomConfigCredentials, RefusesPasswordsInUrls) {
  for (const char* url : {"https://user:pass@h.example", "https://user:pass@h.example/path", "http://:pass@proxy:3128",
                          "user:pass@proxy:3128", "//user:pass@h", "https://u:p@ss@h", "HTTPS://u:p@h",
                          "socks5://u:p@h", "https:\\\\u:p@h", "https:u:p@h", "https:///u:p@h", " https://u:p@h",
                          "ht tps://u:p@h", "https://u:p%40@h?x#y"}) {
    std::string escaped;
    ASSERT_TRUE(AppendJsonString(url, escaped));
    EXPECT_EQ(Refused(Room("\"custom_base_url\":" + escaped)), "room_config.egress.room.custom_base_url") << url;
    EXPECT_EQ(Refused(Room("\"webhooks\":[{\"url\":" + escaped + "}]")), "room_config.egress.room.webhooks[0].url");
    EXPECT_EQ(Refused(Tracks("\"s3\":{\"proxy\":{\"url\":" + escaped + "}}")),
              "room_config.egress.tracks.s3.proxy.url");
    EXPECT_EQ(Refused(Tracks("\"s3\":{\"endpoint\":" + escaped + "}")), "room_config.egress.tracks.s3.endpoint");
    // Other texts are the application's own.
    EXPECT_EQ(Refused("{\"metadata\":" + escaped + "}"), "");
  }
  for (const char* url :
       {"", "https://h.example", "https://user@h.example", "https://user:@h.example", "http://proxy:3128",
        "https://h.example/a:b@c", "https://h.example?q=a:b@c", "https://h.example#a:b@c", "h:80",
        "https://[::1]:8080/x", "https://h:443/@x", "/path/a:b@c", "@", ":", "://"}) {
    EXPECT_EQ(Refused(Room("\"custom_base_url\":\"" + std::string(url) + "\"")), "") << url;
  }
}

TEST(CheckRoomConfigCredentials, NeverEchoesTheValue) {
  const absl::Status status = CheckRoomConfigCredentials(Config(Tracks(R"("s3":{"secret":"hunter2"})")));
  EXPECT_EQ(ToError(status).ShortDebugString().find("hunter2"), std::string::npos);
}

// What the check does about every string field that a room configuration reaches. A new field of LiveKit's must be
// judged here.
TEST(CheckRoomConfigCredentials, HasAVerdictOnEveryStringField) {
  enum Verdict { kPasses, kRefused, kUrl, kStream };
  const std::map<std::string, Verdict> verdicts = {
      {"RoomConfiguration.name", kPasses},
      {"RoomConfiguration.metadata", kPasses},
      {"RoomConfiguration.tags", kPasses},
      {"RoomAgentDispatch.agent_name", kPasses},
      {"RoomAgentDispatch.metadata", kPasses},
      {"RoomAgentDispatch.deployment", kPasses},
      {"RoomAgentDispatch.attributes", kPasses},
      {"RoomAgentDispatch.thread_id", kPasses},
      {"RoomCompositeEgressRequest.room_name", kPasses},
      {"RoomCompositeEgressRequest.layout", kPasses},
      {"RoomCompositeEgressRequest.custom_base_url", kUrl},
      {"EncodedFileOutput.filepath", kPasses},
      {"AutoTrackEgress.filepath", kPasses},
      {"SegmentedFileOutput.filename_prefix", kPasses},
      {"SegmentedFileOutput.playlist_name", kPasses},
      {"SegmentedFileOutput.live_playlist_name", kPasses},
      {"ImageOutput.filename_prefix", kPasses},
      {"StreamOutput.urls", kStream},
      {"StreamDestination.id", kStream},
      {"StreamDestination.url", kStream},
      {"S3Upload.access_key", kPasses},
      {"S3Upload.secret", kRefused},
      {"S3Upload.session_token", kRefused},
      {"S3Upload.assume_role_arn", kPasses},
      {"S3Upload.assume_role_external_id", kRefused},
      {"S3Upload.region", kPasses},
      {"S3Upload.endpoint", kUrl},
      {"S3Upload.bucket", kPasses},
      {"S3Upload.metadata", kPasses},
      {"S3Upload.tagging", kPasses},
      {"S3Upload.content_disposition", kPasses},
      {"GCPUpload.credentials", kRefused},
      {"GCPUpload.bucket", kPasses},
      {"AzureBlobUpload.account_name", kPasses},
      {"AzureBlobUpload.account_key", kRefused},
      {"AzureBlobUpload.container_name", kPasses},
      {"AliOSSUpload.access_key", kPasses},
      {"AliOSSUpload.secret", kRefused},
      {"AliOSSUpload.region", kPasses},
      {"AliOSSUpload.endpoint", kUrl},
      {"AliOSSUpload.bucket", kPasses},
      {"ProxyConfig.url", kUrl},
      {"ProxyConfig.username", kPasses},
      {"ProxyConfig.password", kRefused},
      {"WebhookConfig.url", kUrl},
      {"WebhookConfig.signing_key", kPasses},  // the name of an API key
      {"FilterParams.include_events", kPasses},
      {"FilterParams.exclude_events", kPasses},
  };

  // A configuration with one string field set, by the way down to it.
  const auto set = [](const std::vector<const FieldDescriptor*>& steps, const std::string& value) {
    livekit::RoomConfiguration config;
    google::protobuf::Message* message = &config;
    for (const FieldDescriptor* step : steps) {
      const auto* reflection = message->GetReflection();
      if (step->is_map()) {
        auto* entry = reflection->AddMessage(message, step);
        entry->GetReflection()->SetString(entry, step->message_type()->map_key(), value);
        entry->GetReflection()->SetString(entry, step->message_type()->map_value(), value);
      } else if (step->message_type() != nullptr) {
        message =
            step->is_repeated() ? reflection->AddMessage(message, step) : reflection->MutableMessage(message, step);
      } else if (step->is_repeated()) {
        reflection->AddString(message, step, value);
      } else {
        reflection->SetString(message, step, value);
      }
    }
    return config;
  };

  std::set<std::string> met;
  std::vector<std::vector<const FieldDescriptor*>> ways = {{}};
  while (!ways.empty()) {
    const auto way = ways.back();
    ways.pop_back();
    const Descriptor* type = way.empty() ? livekit::RoomConfiguration::descriptor() : way.back()->message_type();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      auto longer = way;
      longer.push_back(field);
      if (field->message_type() != nullptr && !field->is_map()) {
        ways.push_back(longer);
        continue;
      }
      if (field->type() != FieldDescriptor::TYPE_STRING && !field->is_map()) continue;
      const std::string name = field->containing_type()->name() + "." + field->name();
      met.insert(name);
      const auto verdict = verdicts.find(name);
      if (verdict == verdicts.end()) {
        EXPECT_FALSE(kOwnSchema) << "no verdict on " << name;
        continue;
      }
      const auto refused = [&](const std::string& value) {
        return !CheckRoomConfigCredentials(set(longer, value)).ok();
      };
      EXPECT_EQ(refused("text"), verdict->second == kRefused || verdict->second == kStream) << name;
      EXPECT_EQ(refused("https://u:p@h"), verdict->second != kPasses) << name;
      EXPECT_EQ(refused(""), verdict->second == kStream) << name;
    }
  }
  EXPECT_GE(met.size(), 44u);
}

TEST(SfuVersion, ParsesVersionsOfLivekitServer) {
  EXPECT_EQ(*SfuVersion::Parse("1.11"), SfuVersion(1, 11, 0));
  EXPECT_EQ(*SfuVersion::Parse("1.12.3"), SfuVersion(1, 12, 3));
  EXPECT_EQ(*SfuVersion::Parse("v1.12"), SfuVersion(1, 12, 0));
  EXPECT_EQ(*SfuVersion::Parse(""), SfuVersion());
  for (const char* text :
       {"1",    "v",    "v1",     "1.",       ".1",   "1.x",   "1.11.", "1.11.0.1",      "-1.2", "1.-2", "+1.2",
        " 1.2", "1.2 ", "latest", "1.11-rc1", "V1.2", "vv1.2", "1..2",  "99999999999.1", "1,2",  "0x1.2"}) {
    EXPECT_THAT(SfuVersion::Parse(text), IsFieldRefusal(v1::FIELD_INVALID, "sfu_version")) << text;
  }
}

TEST(SfuVersion, OrdersByNumberAndTheDefaultIsNewest) {
  EXPECT_LT(SfuVersion(1, 9, 12), SfuVersion(1, 11, 0));
  EXPECT_LT(SfuVersion(1, 11, 0), SfuVersion(1, 11, 1));
  EXPECT_LT(SfuVersion(1, 99, 99), SfuVersion(2, 0, 0));
  EXPECT_LT(SfuVersion(999, 0, 0), SfuVersion());
}

std::string Pruned(const char* version, const std::string& json) {
  livekit::RoomConfiguration config = Config(json);
  PruneForSfu(*SfuVersion::Parse(version), config);
  std::string out;
  EXPECT_TRUE(protojson::Append(config, out));
  return out;
}

TEST(PruneForSfu, DropsMembersNewerThanTheServer) {
  const std::string config =
      R"({"name":"n","agents":[{"agentName":"a","restartPolicy":"JRP_NEVER","deployment":"d","attributes":{"k":"v"}}],)"
      R"("metadata":"m","tags":{"t":"1"}})";
  EXPECT_EQ(Pruned("", config), config);
  EXPECT_EQ(Pruned("1.12", config), config);
  EXPECT_EQ(Pruned("1.13.5", config), config);
  EXPECT_EQ(Pruned("1.11", config),
            R"({"name":"n","agents":[{"agentName":"a","restartPolicy":"JRP_NEVER"}],"metadata":"m","tags":{"t":"1"}})");
  EXPECT_EQ(Pruned("1.11.9", config), Pruned("1.11", config));
  EXPECT_EQ(Pruned("1.10", config), R"({"name":"n","agents":[{"agentName":"a"}],"metadata":"m"})");
  EXPECT_EQ(Pruned("1.8.4", config), R"({"name":"n","agents":[{"agentName":"a"}]})");
}

TEST(PruneForSfu, DropsEnumNamesNewerThanTheServer) {
  const std::string config =
      R"({"egress":{"room":{"preset":"PASSTHROUGH","fileOutputs":[{"fileType":"MP3"},{"fileType":"MP4"}]}}})";
  EXPECT_EQ(Pruned("1.12", config), config);
  EXPECT_EQ(Pruned("1.11", config), R"({"egress":{"room":{"fileOutputs":[{"fileType":"MP3"},{"fileType":"MP4"}]}}})");
  EXPECT_EQ(Pruned("1.8.4", config), R"({"egress":{"room":{"fileOutputs":[{},{"fileType":"MP4"}]}}})");
  // Old servers take numbers that they have no name for.
  EXPECT_EQ(Pruned("1.8", R"({"egress":{"room":{"preset":55}}})"), R"({"egress":{"room":{"preset":55}}})");
}

// What every server that reads `roomConfig` knows. A new field or enum value of LiveKit's must be put either here or
// into the table of additions.
TEST(PruneForSfu, HasAVerdictOnEveryFieldAndEnumValue) {
  const std::map<std::string, std::set<std::string>> always = {
      {"RoomConfiguration",
       {"name", "empty_timeout", "departure_timeout", "max_participants", "egress", "min_playout_delay",
        "max_playout_delay", "sync_streams", "agents"}},
      {"RoomEgress", {"room", "participant", "tracks"}},
      {"RoomAgentDispatch", {"agent_name", "metadata"}},
      {"RoomCompositeEgressRequest",
       {"room_name", "layout", "audio_only", "video_only", "custom_base_url", "file", "stream", "segments", "preset",
        "advanced", "file_outputs", "stream_outputs", "segment_outputs", "image_outputs"}},
      {"AutoParticipantEgress", {"preset", "advanced", "file_outputs", "segment_outputs"}},
      {"AutoTrackEgress", {"filepath", "disable_manifest", "s3", "gcp", "azure", "aliOSS"}},
      {"EncodedFileOutput", {"file_type", "filepath", "disable_manifest", "s3", "gcp", "azure", "aliOSS"}},
      {"SegmentedFileOutput",
       {"protocol", "filename_prefix", "playlist_name", "live_playlist_name", "segment_duration", "filename_suffix",
        "disable_manifest", "s3", "gcp", "azure", "aliOSS"}},
      {"ImageOutput",
       {"capture_interval", "width", "height", "filename_prefix", "filename_suffix", "image_codec", "disable_manifest",
        "s3", "gcp", "azure", "aliOSS"}},
      {"StreamOutput", {"protocol", "urls"}},
      {"EncodingOptions",
       {"width", "height", "depth", "framerate", "audio_codec", "audio_bitrate", "audio_frequency", "video_codec",
        "video_bitrate", "key_frame_interval", "audio_quality", "video_quality"}},
      {"S3Upload",
       {"access_key", "secret", "session_token", "region", "endpoint", "bucket", "force_path_style", "metadata",
        "tagging", "content_disposition", "proxy"}},
      {"GCPUpload", {"credentials", "bucket", "proxy"}},
      {"AzureBlobUpload", {"account_name", "account_key", "container_name"}},
      {"AliOSSUpload", {"access_key", "secret", "region", "endpoint", "bucket"}},
      {"ProxyConfig", {"url", "username", "password"}},
      {"AudioMixing", {"DEFAULT_MIXING", "DUAL_CHANNEL_AGENT", "DUAL_CHANNEL_ALTERNATE"}},  // came with their field
      {"JobRestartPolicy", {"JRP_ON_FAILURE", "JRP_NEVER"}},                                // likewise
      {"EncodedFileType", {"DEFAULT_FILETYPE", "MP4", "OGG"}},
      {"StreamProtocol", {"DEFAULT_PROTOCOL", "RTMP", "SRT"}},
      {"SegmentedFileProtocol", {"DEFAULT_SEGMENTED_FILE_PROTOCOL", "HLS_PROTOCOL"}},
      {"SegmentedFileSuffix", {"INDEX", "TIMESTAMP"}},
      {"EncodingOptionsPreset",
       {"H264_720P_30", "H264_720P_60", "H264_1080P_30", "H264_1080P_60", "PORTRAIT_H264_720P_30",
        "PORTRAIT_H264_720P_60", "PORTRAIT_H264_1080P_30", "PORTRAIT_H264_1080P_60"}},
      {"AudioCodec", {"DEFAULT_AC", "OPUS", "AAC"}},
      {"VideoCodec", {"DEFAULT_VC", "H264_BASELINE", "H264_MAIN", "H264_HIGH", "VP8"}},
      {"ImageFileSuffix", {"IMAGE_SUFFIX_INDEX", "IMAGE_SUFFIX_TIMESTAMP"}},
      {"ImageCodec", {"IC_DEFAULT", "IC_JPEG"}},
  };
  const auto judge = [&](const std::string& owner, const std::string& name) {
    const auto known = always.find(owner);
    const int from_start = known != always.end() && known->second.count(name) != 0 ? 1 : 0;
    const auto added = std::count_if(std::begin(kSchemaAdditions), std::end(kSchemaAdditions),
                                     [&](const auto& row) { return row.owner == owner && row.name == name; });
    if (kOwnSchema) {
      EXPECT_EQ(from_start + added, 1) << "verdicts on " << owner << "." << name;
    } else {
      EXPECT_LE(from_start + added, 1) << "verdicts on " << owner << "." << name;
    }
  };
  int fields = 0;
  std::set<const google::protobuf::EnumDescriptor*> enums;
  for (const Descriptor* type : Reachable()) {
    for (int i = 0; i < type->field_count(); ++i, ++fields) {
      judge(type->name(), type->field(i)->name());
      if (type->field(i)->enum_type() != nullptr) enums.insert(type->field(i)->enum_type());
    }
  }
  for (const auto* type : enums) {
    for (int i = 0; i < type->value_count(); ++i) judge(type->name(), type->value(i)->name());
  }
  EXPECT_GE(fields, 100);
  EXPECT_GE(enums.size(), 11u);
}

}  // namespace
}  // namespace livekit::token
