// Differences between what a message must be and what it is, for people.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/message.h"

namespace livekit::token {

// The fields that a message states, in the order of its schema, each with its path such as `video.room`,
// `attributes.lang` or `room_config.agents[0].agent_name`. An empty message counts as a value.
struct StatedField {
  std::string path;
  std::string value;
  bool is_text = false;
  bool is_empty_message = false;
};
std::vector<StatedField> StatedFields(const google::protobuf::Message& message);

// The value for people: text in quotes, and anything else as it is.
std::string Shown(const StatedField& field);

// A line for every field in which `actual` is not what `expected` states, such as `video.room: expected "a_*", got
// "b"`. Text of `expected` is literal with `*` for any text. What is not stated must not be there. None: they agree.
std::vector<std::string> Differences(const google::protobuf::Message& expected,
                                     const google::protobuf::Message& actual);

}  // namespace livekit::token
