// The table of limits beside what a running program really serves: its gRPC services, as reflection lists them, and its
// routes.

#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/limits.h"
#include "support/program.h"
#include "support/raw_client.h"

namespace livekit::token {
namespace {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;
using testing::GetRequest;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::PostRequest;
using testing::Program;
using testing::RawClient;

constexpr char kReflection[] = "grpc.reflection.v1alpha.ServerReflection";

// The members with a number of a message, as bytes. Its descriptor is in no package.
std::vector<std::string> Members(const std::string& message, int number) {
  std::vector<std::string> found;
  UnknownFieldSet fields;
  EXPECT_TRUE(fields.ParseFromString(message));
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    if (field.number() == number && field.type() == UnknownField::TYPE_LENGTH_DELIMITED) {
      found.push_back(field.length_delimited());
    }
  }
  return found;
}

// The services that a server lists.
std::set<std::string> ListServices(int port) {
  constexpr int kListServices = 7;  // of ServerReflectionRequest
  constexpr int kAnswer = 6;        // of ServerReflectionResponse
  UnknownFieldSet request;
  request.AddLengthDelimited(kListServices)->assign("*");
  std::string bytes;
  EXPECT_TRUE(request.SerializeToString(&bytes));
  grpc::GenericStub stub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  grpc::CompletionQueue queue;
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  auto call = stub.PrepareCall(&context, std::string("/") + kReflection + "/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  EXPECT_TRUE(next());
  const grpc::Slice slice(bytes);
  call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
  EXPECT_TRUE(next());
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  EXPECT_TRUE(next());
  grpc::Status status;
  call->Finish(&status, nullptr);
  EXPECT_TRUE(next());
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::vector<grpc::Slice> slices;
  std::string text;
  if (answer.Dump(&slices).ok()) {
    for (const grpc::Slice& part : slices) text.append(reinterpret_cast<const char*>(part.begin()), part.size());
  }
  std::set<std::string> names;
  for (const std::string& list : Members(text, kAnswer)) {
    for (const std::string& service : Members(list, 1)) {
      for (const std::string& name : Members(service, 1)) names.insert(name);
    }
  }
  return names;
}

TEST(LimitTable, HasTheServicesAndRoutesThatAreServed) {
  Program program("livekit-token-standalone",
                  {"--dev", "--grpc_listen=127.0.0.1:0", "--http_listen=127.0.0.1:0", "--admin_listen=127.0.0.1:0"});
  const int http = program.AwaitPort("http");
  ASSERT_NE(http, 0) << program.Output();
  const int admin = program.AwaitPort("admin");
  std::set<std::string> services;
  for (const LimitRow& row : LimitTable()) {
    const std::string name(row.name);
    if (row.surface == "gRPC") {
      services.insert(name.substr(0, name.find('/')));
      continue;
    }
    const bool is_other = name == "_OTHER";
    const std::string path = is_other ? "/nowhere" : name;
    const auto answer = row.surface == "HTTP" ? RawClient(http).Exchange(PostRequest(path, "{}"))
                                              : RawClient(admin).Exchange(GetRequest(path));
    ASSERT_TRUE(answer) << name;
    EXPECT_EQ(answer->status == 404, is_other) << row.surface << " " << name << ": " << answer->body;
    if (row.answer_bytes > 0) {
      EXPECT_LE(answer->body.size(), static_cast<std::size_t>(row.answer_bytes)) << name;
    }
  }
  EXPECT_THAT(services, Not(IsEmpty()));
  EXPECT_EQ(ListServices(program.AwaitPort("grpc")), services);
}

}  // namespace
}  // namespace livekit::token
