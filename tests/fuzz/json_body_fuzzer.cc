// The body of a token request: whatever is accepted can be written, and reading that again gives the same message. What
// is refused is refused with one of the reader's two reasons.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/text.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "livekit_token_source.pb.h"
#include "protojson/reader.h"
#include "protojson/writer.h"

namespace {

namespace protojson = livekit::token::protojson;

void Require(bool condition) {
  if (!condition) std::abort();
}

// The bytes of a message with its maps sorted; unlike a comparison by value, they tell -0 from 0 and have equal NaNs.
std::string Bytes(const google::protobuf::Message& message) {
  std::string out;
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  Require(message.SerializeToCodedStream(&coded));
  coded.Trim();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const protojson::ReadOptions options;
  livekit::TokenSourceRequest request;
  const absl::Status status = protojson::Read(json, options, request);
  if (!status.ok()) {
    const auto reason = livekit::token::ReasonOf(status);
    Require(reason == livekit::token::v1::INVALID_JSON || reason == livekit::token::v1::FIELD_INVALID);
    return 0;
  }
  Require(livekit::token::IsValidUtf8(json));
  std::string written;
  Require(protojson::Append(request, written));
  livekit::TokenSourceRequest again;
  protojson::ReadReport report;
  Require(protojson::Read(written, options, again, &report).ok());
  Require(report.unknown_fields == 0);
  Require(Bytes(request) == Bytes(again));
  std::string rewritten;
  Require(protojson::Append(again, rewritten));
  Require(written == rewritten);
  return 0;
}
