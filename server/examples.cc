#include "server/examples.h"

#include <algorithm>
#include <cstdio>

#include "service/process.h"

namespace livekit::token {

std::optional<std::string> ExampleText(std::string_view name, bool with_gateway) {
  const auto& examples = Examples();
  const auto example = std::find_if(examples.begin(), examples.end(), [&](const Example& e) { return e.name == name; });
  if (example == examples.end()) return std::nullopt;
  std::string_view text = example->text;
  if (!with_gateway) text = text.substr(0, text.find("\ngateway:"));
  return std::string(text);
}

int RunPrintExample(std::string_view name, bool with_gateway) {
  const auto text = ExampleText(name, with_gateway);
  if (text) {
    std::fputs(text->c_str(), stdout);
    return kExitClean;
  }
  std::fputs("there is no such example; --print_example takes one of:", stderr);
  for (const Example& example : Examples()) std::fprintf(stderr, " %s", std::string(example.name).c_str());
  std::fputs("\n", stderr);
  return kExitFailure;
}

}  // namespace livekit::token
