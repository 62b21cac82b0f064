// Text that must not become part of a name: characters that nobody sees, and names that LiveKit keeps for itself.
#pragma once

#include <string_view>

namespace livekit::token {

// What a text is for.
enum class TextUse {
  kRoom,
  kIdentity,     // also no `#`, behind which livekit-server appends parts of its own
  kDisplayName,  // joiners (U+200C, U+200D) and variation selectors may be inside: emoji, Persian and Indic need them
  kKey,          // of attributes and tags, and names of agents
  kFreeText,     // anything
};

// What is wrong with `text`, in words without a subject such as "must not contain control characters"; empty if nothing
// is. Refused are control and bidirectional control characters, characters without width or look, noncharacters, white
// space of any script at either end, and text that is not UTF-8: names that look alike must be the same. Joiners and
// variation selectors inside an emoji of several parts are seen and permitted.
std::string_view TextProblem(std::string_view text, TextUse use);

// Whether the attribute's key belongs to LiveKit: `lk.` or `sip.` at its start, in any ASCII case.
bool IsReservedKey(std::string_view key);

}  // namespace livekit::token
