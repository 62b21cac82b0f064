#include "service/yaml_tree.h"

#include <sstream>

#include "base/text.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/mark.h"
#include "yaml-cpp/parser.h"

namespace livekit::token {
namespace {

constexpr std::size_t kMaxDepth = 32;

// Builds the tree from yaml-cpp's events, since its own tree drops what we have to refuse: one of two equal keys,
// anchors, tags and whether a scalar was quoted.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(YamlNode& root) : root_(root) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark&, YAML::anchor_t anchor) override { Add({}, "", anchor); }

  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {
    YamlNode node;
    node.problem = "aliases are not supported; write the value again";
    Add(std::move(node), "", YAML::NullAnchor);
  }

  void OnScalar(const YAML::Mark&, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    YamlNode node;
    node.kind = YamlNode::Kind::kScalar;
    node.scalar = value;
    node.plain = tag == "?";
    if (!IsValidUtf8(value) || value.find('\0') != std::string::npos) node.problem = "is not text without NUL";
    Add(std::move(node), tag, anchor);
  }

  void OnSequenceStart(const YAML::Mark&, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kList, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark&, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kMap, tag, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A list or mapping whose end has not come yet.
  struct Frame {
    YamlNode node;
    std::optional<std::string> key;  // of the member whose value comes next
    std::string_view key_problem;
  };

  void Open(YamlNode::Kind kind, const std::string& tag, YAML::anchor_t anchor) {
    Frame frame;
    frame.node.kind = kind;
    MarkNode(tag, anchor, frame.node);
    if (stack_.size() >= kMaxDepth) frame.node.problem = "is nested too deeply; at most 32 levels";
    stack_.push_back(std::move(frame));
  }

  void Close() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    Place(std::move(node));
  }

  void Add(YamlNode node, const std::string& tag, YAML::anchor_t anchor) {
    MarkNode(tag, anchor, node);
    Place(std::move(node));
  }

  // yaml-cpp's tag is `?` for plain nodes and `!` for quoted scalars; anything else was written.
  static void MarkNode(const std::string& tag, YAML::anchor_t anchor, YamlNode& node) {
    if (anchor != YAML::NullAnchor) node.problem = "anchors are not supported; write the value where it is used";
    if (!tag.empty() && tag != "?" && tag != "!") node.problem = "tags are not supported";
  }

  void Place(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == YamlNode::Kind::kList) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.key) {
      frame.key = node.kind == YamlNode::Kind::kScalar ? node.scalar : std::string();
      frame.key_problem = node.problem;
      if (node.kind != YamlNode::Kind::kScalar) frame.key_problem = "has a key that is not a name";
    } else {
      if (!frame.key_problem.empty()) node.problem = frame.key_problem;
      frame.node.members.push_back({*std::move(frame.key), std::move(node)});
      frame.key.reset();
    }
  }

  YamlNode& root_;
  std::vector<Frame> stack_;
};

}  // namespace

YamlDocument ParseYaml(std::string_view yaml) {
  YamlDocument document;
  if (!IsValidUtf8(yaml) || yaml.find('\0') != std::string_view::npos) {
    document.problem = "is not UTF-8 text without NUL";
    return document;
  }
  try {
    std::istringstream input{std::string(yaml)};
    YAML::Parser parser(input);
    TreeBuilder builder(document.root);
    parser.HandleNextDocument(builder);
    if (document.root.kind == YamlNode::Kind::kNull && document.root.problem.empty()) {
      document.root.kind = YamlNode::Kind::kMap;
    }
    YamlNode further;
    TreeBuilder ignored(further);
    if (parser.HandleNextDocument(ignored)) document.problem = "has more than one YAML document; only one is read";
  } catch (const YAML::Exception& e) {
    // The library's text is left out: it may quote the file.
    document.problem = "is not valid YAML near line " + std::to_string(e.mark.line + 1) + ", column " +
                       std::to_string(e.mark.column + 1);
  } catch (const std::exception&) {
    document.problem = "is not valid YAML";
  }
  return document;
}

}  // namespace livekit::token
