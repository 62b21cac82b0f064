// YAML text as a plain tree, with what we do not accept marked on the nodes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace livekit::token {

// A node of a YAML document. Duplicate keys are kept, in order.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  std::string scalar;
  bool plain = false;  // a scalar without quotes
  std::vector<YamlNode> items;
  std::vector<std::pair<std::string, YamlNode>> members;
  // Why this node cannot be used, whatever its place; empty if it can.
  std::string_view problem;
};

// Reads one document. `problem` is set, and the tree unspecified, if the text as a whole cannot be read; an empty text
// is an empty mapping. Never throws.
struct YamlDocument {
  YamlNode root;
  std::string problem;
};
YamlDocument ParseYaml(std::string_view yaml);

}  // namespace livekit::token
