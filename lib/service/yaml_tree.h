// YAML text as a plain tree, with what we do not accept marked on the nodes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace livekit::token {

struct YamlMember;

// A node of a YAML document. Duplicate keys are kept, in order.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  std::string scalar;
  bool plain = false;  // a scalar without quotes
  std::vector<YamlNode> items;
  std::vector<YamlMember> members;
  // Why this node cannot be used, whatever its place; empty if it can.
  std::string_view problem;
};

// A key of a mapping and what stands there. Not a std::pair, which clang cannot instantiate inside YamlNode.
struct YamlMember {
  std::string key;
  YamlNode value;
};

// Reads one document. `problem` is set, and the tree unspecified, if the text as a whole cannot be read; an empty text
// is an empty mapping. Never throws.
struct YamlDocument {
  YamlNode root;
  std::string problem;
};
YamlDocument ParseYaml(std::string_view yaml);

}  // namespace livekit::token
