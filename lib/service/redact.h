// The second line of defence against secrets in logs; the first is that Secret has no conversion to text.
#pragma once

#include <string>
#include <string_view>

namespace livekit::token {

// Appends `text` to `out` with `***` in place of what looks like a credential: a JSON Web Token (`eyJ` and at least 16
// more of its characters), and whatever follows `Bearer ` or `Basic `, in any case, up to white space or a quote.
void AppendRedacted(std::string_view text, std::string& out);

// Every credential has at least one of these characters: a scheme has a space behind it, and of the letters that a
// token begins with this is the rarest in other texts.
constexpr bool HintsAtCredential(char c) { return c == ' ' || c == 'J'; }

// Whether AppendRedacted would leave anything out.
bool HasCredential(std::string_view text);

}  // namespace livekit::token
