// Complete configurations to start from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace livekit::token {

// A file of server/examples: a configuration of the standalone, with the gateway's part, if it says anything, as
// `gateway:` at its end.
struct Example {
  std::string_view name;
  std::string_view text;
};

// All of them, ordered by name.
const std::vector<Example>& Examples();

// The text of the example `name` without the section `gateway:`, as livekit-token-server reads it, or whole. Nothing
// for an unknown name.
std::optional<std::string> ExampleText(std::string_view name, bool with_gateway);

// Carries out `--print_example NAME`: prints the example, or the names that exist to standard error. Returns the exit
// code.
int RunPrintExample(std::string_view name, bool with_gateway);

}  // namespace livekit::token
