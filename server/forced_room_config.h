// A room configuration that a policy sets.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/struct.pb.h"
#include "livekit_room.pb.h"
#include "server/json_template.h"
#include "server/template.h"

namespace livekit::token {

// A livekit.RoomConfiguration with templates in it. What is constant is made once; a request copies it and fills in the
// rest.
//
// Thread safety: immutable.
class ForcedRoomConfig {
 public:
  // What is wrong, and where in the value, such as `agents[0].agent_name`.
  struct Problem {
    std::string path;
    std::string message;
  };

  // Makes it out of a value in LiveKit's field names, in snake_case or lowerCamelCase. Text is a template; a mapping or
  // list given as `metadata`, of the room or an agent, is written as JSON, into which claims come only as strings.
  // Returns null and at least one problem, or the configuration and none.
  static std::unique_ptr<const ForcedRoomConfig> Build(const google::protobuf::Struct& value,
                                                       const TemplateOptions& options, std::vector<Problem>& problems);

  // Writes the configuration for `principal`. Errors: CLAIM_MISSING, CLAIM_AMBIGUOUS; `out` may then be partly written.
  absl::Status Render(const Principal& principal, livekit::RoomConfiguration& out) const;

 private:
  friend class ForcedRoomConfigBuilder;

  // The way to a field: fields of messages, and positions in lists.
  struct Step {
    const google::protobuf::FieldDescriptor* field;
    int index;  // -1: not in a list
  };
  // A text that depends on the principal.
  struct Slot {
    std::vector<Step> way;
    std::string key;                           // of a map
    std::shared_ptr<const JsonTemplate> json;  // null: `text`
    std::shared_ptr<const Template> text;
  };
  static void Fill(const Slot& slot, std::string text, livekit::RoomConfiguration& out);

  livekit::RoomConfiguration constant_;
  std::vector<Slot> slots_;
};

}  // namespace livekit::token
