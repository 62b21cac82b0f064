// The README's section about refusals: its configuration is served as it stands there, and every request in it gets the
// reason that it is said to get, in the explanation and, over HTTP, in truth.

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "livekit/token/v1/token_service.grpc.pb.h"
#include "nlohmann/json.hpp"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Program;
using testing::TempFolder;

constexpr char kAdmin[] = "admin.readme-admin-0123456789";
constexpr char kSecret[] = "MARKER-livekit-secret-0123456789abcdef";

// The section between the two comments. The variable README_FILE names another file than the README.
std::string Section() {
  const char* other = std::getenv("README_FILE");
  std::ifstream file(other != nullptr ? other : SOURCE_DIR "/README.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  const std::size_t begin = all.find("<!-- explain:begin -->");
  const std::size_t end = all.find("<!-- explain:end -->");
  if (begin == std::string::npos || end == std::string::npos) return {};
  return all.substr(begin, end - begin);
}

// A fenced block with the line before it.
struct Block {
  std::string how;
  std::string kind;
  std::string text;
};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<Block> Blocks(const std::string& section) {
  std::vector<Block> blocks;
  std::string before;
  bool inside = false;
  for (const std::string& line : Lines(section)) {
    if (line.rfind("```", 0) == 0) {
      if (!inside) blocks.push_back({before, line.substr(3), ""});
      inside = !inside;
    } else if (inside) {
      blocks.back().text += line + "\n";
    }
    before = line;
  }
  return blocks;
}

std::string BlockOf(const std::string& kind) {
  std::string text;
  for (const Block& block : Blocks(Section())) {
    if (block.kind == kind) text += block.text;
  }
  return text;
}

std::vector<json> Examples() {
  std::vector<json> examples;
  for (const std::string& line : Lines(BlockOf("json"))) {
    examples.push_back(json::parse(line, nullptr, false));
    EXPECT_FALSE(examples.back().is_discarded()) << line;
  }
  return examples;
}

// An entry of the second list.
struct Other {
  std::string reason;
  std::string remark;
  std::string command;  // empty: there is none
};

std::vector<Other> Others() {
  std::vector<Other> others;
  const std::regex head("# ([A-Z_]+)(.*)");
  for (const std::string& line : Lines(BlockOf("console"))) {
    std::smatch match;
    if (std::regex_match(line, match, head)) {
      others.push_back({match[1], match[2], ""});
    } else if (!others.empty()) {
      others.back().command += line;
    }
  }
  return others;
}

void Replace(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// The standalone, and a client of its gRPC listener.
class Standalone {
 public:
  explicit Standalone(std::vector<std::string> flags) {
    for (const char* listener : {"http", "grpc", "admin"}) {
      flags.push_back(std::string("--") + listener + "_listen=127.0.0.1:0");
    }
    program_ = std::make_unique<Program>(
        "livekit-token-standalone", std::move(flags),
        std::map<std::string, std::string>{{"LIVEKIT_API_KEY", "APImain"}, {"LIVEKIT_API_SECRET", kSecret}});
    grpc_ = program_->AwaitPort("grpc");
    http_ = program_->AwaitPort("http");
    EXPECT_NE(http_, 0) << program_->Output();
    stub_ = v1::TokenService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(grpc_), grpc::InsecureChannelCredentials()));
  }

  int http() const { return http_; }
  std::string Output() const { return program_->Output(); }

  // The reason of the RPC's refusal; empty if it is none.
  template <typename Request, typename Response>
  std::string Call(grpc::Status (v1::TokenService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   const std::string& caller, const std::string& request_json, Response& response) {
    Request request;
    if (!google::protobuf::util::JsonStringToMessage(request_json, &request).ok()) return "not a request";
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    context.AddMetadata("x-caller-authorization", "Bearer " + caller);
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    if (status.ok()) return "";
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    if (!details.ParseFromString(status.error_details()) || details.details().empty() ||
        !details.details(0).UnpackTo(&info)) {
      return "no reason: " + status.error_message();
    }
    return info.reason();
  }

 private:
  std::unique_ptr<Program> program_;
  int grpc_ = 0;
  int http_ = 0;
  std::unique_ptr<v1::TokenService::Stub> stub_;
};

class ExplainedReadme : public ::testing::Test {
 protected:
  ExplainedReadme() {
    std::string config;
    std::vector<std::string> names = {"lab.keys"};
    folder_.Write("lab.keys", std::string("APIlab: ") + kSecret + "\n");
    for (const Block& block : Blocks(Section())) {
      if (block.kind != "yaml") continue;
      const std::string prefix = "<!-- test: file ";
      const std::string name = block.how.substr(prefix.size(), block.how.find(" -->") - prefix.size());
      if (config.empty()) {
        config = block.text;
      } else {
        folder_.Write(name, block.text);
        names.push_back(name);
      }
    }
    for (const std::string& name : names) Replace(config, "file: " + name, "file: " + folder_.path() + "/" + name);
    config_ = "--config=" + folder_.Write("explain.yaml", config);
  }

  static void ExpectNoSecret(const Standalone& standalone) {
    EXPECT_THAT(standalone.Output(), Not(HasSubstr("MARKER")));
    EXPECT_THAT(standalone.Output(), Not(HasSubstr("0123456789")));
    EXPECT_THAT(standalone.Output(), Not(HasSubstr("eyJ")));
  }

  TempFolder folder_;
  std::string config_;
};

// The fields of a refusal with their messages.
std::map<std::string, std::string> FieldsOf(const v1::Error& error) {
  std::map<std::string, std::string> fields;
  for (const auto& field : error.fields()) fields[field.field()] = field.message();
  return fields;
}
std::map<std::string, std::string> FieldsOf(const json& body) {
  std::map<std::string, std::string> fields;
  if (!body.contains("fields")) return fields;
  for (const auto& field : body["fields"]) fields[field["field"]] = field["message"];
  return fields;
}

TEST_F(ExplainedReadme, GivesEveryExampleItsReasonAndTheSameOverHttp) {
  Standalone standalone({config_});
  int over_http = 0;
  const auto examples = Examples();
  ASSERT_GT(examples.size(), 20U) << "README.md has no section between the comments explain:begin and explain:end";
  for (const json& example : examples) {
    SCOPED_TRACE(example.dump());
    const std::string reason = example["reason"].is_null() ? "" : example["reason"].get<std::string>();
    v1::ExplainParticipantTokenResponse response;
    const std::string refusal = standalone.Call(&v1::TokenService::Stub::ExplainParticipantToken,
                                                example.value("caller", kAdmin), example["explain"].dump(), response);
    if (example.value("rpc", false)) {
      EXPECT_EQ(refusal, reason);
      continue;
    }
    ASSERT_EQ(refusal, "");
    EXPECT_EQ(response.has_refusal() ? v1::ErrorReason_Name(response.refusal().reason()) : "", reason);
    EXPECT_EQ(response.has_grants(), reason.empty());
    EXPECT_THAT(response.DebugString(), Not(HasSubstr("eyJ")));
    EXPECT_THAT(response.DebugString(), Not(HasSubstr("0123456789")));
    // Over HTTP nobody says which service relays.
    if (!example["explain"].contains("presented") || example["explain"].contains("via")) continue;
    std::string headers;
    const json& presented = example["explain"]["presented"];
    if (presented.contains("credentials")) {
      for (const auto& credential : presented["credentials"]) {
        headers += credential["header"].get<std::string>() + ": " + credential["value"].get<std::string>() + "\r\n";
      }
    }
    testing::RawClient client(standalone.http());
    const auto answer =
        client.Exchange(testing::PostRequest("/getToken", example["explain"]["request"].dump(), headers));
    ASSERT_TRUE(answer.has_value());
    const json body = json::parse(answer->body, nullptr, false);
    EXPECT_EQ(body.value("reason", ""), reason) << answer->body;
    EXPECT_EQ(FieldsOf(body), FieldsOf(response.refusal()));
    ++over_http;
  }
  EXPECT_GT(over_http, 15);
  ExpectNoSecret(standalone);
}

// The output of a command of the shell.
std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  char buffer[1024];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
  ::pclose(pipe);
  return output;
}

// A call as the README writes it for grpcurl.
std::string Grpcurl(Standalone& standalone, const std::string& command) {
  static const std::regex form(
      "grpcurl -plaintext -H 'x-caller-authorization: Bearer ([^']*)' -d '([^']*)' \\S+ \\S+/(\\w+)");
  std::smatch match;
  if (!std::regex_match(command, match, form)) return "not understood: " + command;
  if (match[3] == "MintAccessToken") {
    v1::MintAccessTokenResponse response;
    return standalone.Call(&v1::TokenService::Stub::MintAccessToken, match[1], match[2], response);
  }
  v1::BatchIssueParticipantTokensResponse response;
  return standalone.Call(&v1::TokenService::Stub::BatchIssueParticipantTokens, match[1], match[2], response);
}

TEST_F(ExplainedReadme, GivesTheOtherRequestsTheirReasons) {
  Standalone standalone({config_});
  Standalone dev({"--dev"});
  int commands = 0;
  for (const Other& other : Others()) {
    SCOPED_TRACE(other.reason);
    if (other.command.empty()) {
      EXPECT_EQ(other.remark.rfind(": ", 0), 0U) << "neither a request nor why there is none";
      continue;
    }
    ++commands;
    if (other.command.rfind("grpcurl", 0) == 0) {
      EXPECT_EQ(Grpcurl(standalone, other.command), other.reason);
      continue;
    }
    const Standalone& asked = other.remark == " with --dev" ? dev : standalone;
    std::string command = other.command;
    Replace(command, "http://localhost:3000", "http://127.0.0.1:" + std::to_string(asked.http()));
    const std::string output = OutputOf(command);
    EXPECT_EQ(json::parse(output, nullptr, false).value("reason", ""), other.reason) << output;
  }
  EXPECT_GT(commands, 12);
  ExpectNoSecret(standalone);
}

TEST(ExplainedReasons, AreAllThatThereAre) {
  std::set<std::string> covered;
  for (const json& example : Examples()) {
    if (example["reason"].is_string()) covered.insert(example["reason"]);
  }
  for (const Other& other : Others()) EXPECT_TRUE(covered.insert(other.reason).second) << other.reason;
  std::set<std::string> all;
  for (int i = 0; i < v1::ErrorReason_descriptor()->value_count(); ++i) {
    all.insert(v1::ErrorReason_descriptor()->value(i)->name());
  }
  all.erase("ERROR_REASON_UNSPECIFIED");
  EXPECT_EQ(covered, all);
}

}  // namespace
}  // namespace livekit::token
