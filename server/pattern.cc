#include "server/pattern.h"

#include <re2/re2.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace livekit::token {
namespace {

constexpr std::size_t kMaxRenderedBytes = 8 * 1024;  // of an expression with its variables' texts

absl::Status Invalid(std::string_view message) { return Refuse(v1::FIELD_INVALID, message); }

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::unique_ptr<const re2::RE2> Compile(const std::string& text) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  return std::make_unique<const re2::RE2>(text, options);
}

bool FullMatch(const re2::RE2& expression, std::string_view text) {
  // Through its own type of view, which is not everywhere std::string_view.
  return re2::RE2::FullMatch({text.data(), text.size()}, expression);
}

std::string Quote(const std::string& text) { return re2::RE2::QuoteMeta(text); }

// A piece of a pattern.
struct Token {
  enum class Kind { kLiteral, kVariable, kQuantifier, kAlternative, kOpen, kClose, kOther };
  Kind kind;
  std::string text;            // as written
  std::string character = {};  // of a literal
  std::optional<Variable> variable = {};
};

class Scanner {
 public:
  Scanner(std::string_view text, const TemplateOptions& options) : text_(text), options_(options) {}

  absl::StatusOr<std::vector<Token>> Scan() {
    while (!text_.empty()) LKT_RETURN_IF_ERROR(Next());
    return std::move(tokens_);
  }

  bool has_flags() const { return has_flags_; }

 private:
  using Kind = Token::Kind;

  absl::Status Next() {
    switch (text_.front()) {
      case '\\':
        return Escape();
      case '[':
        return Class();
      case '{':
        return Brace();
      case '(':
        // `(?:` and `(?P<` only group; everything else there changes how text is compared.
        if (text_.substr(0, 2) == "(?" && text_.substr(0, 3) != "(?:" && text_.substr(0, 4) != "(?P<")
          has_flags_ = true;
        Take(Kind::kOpen, 1);
        // The `?` is no quantifier.
        if (!text_.empty() && text_.front() == '?') Take(Kind::kOther, GroupHead());
        return absl::OkStatus();
      case ')':
        Take(Kind::kClose, 1);
        return absl::OkStatus();
      case '|':
        Take(Kind::kAlternative, 1);
        return absl::OkStatus();
      case '*':
      case '+':
      case '?':
        Take(Kind::kQuantifier, 1);
        return absl::OkStatus();
      case '.':
      case '^':
      case '$':
      case ']':
      case '}':
        Take(Kind::kOther, 1);
        return absl::OkStatus();
      default:
        const std::string character(FirstCharacter(text_));
        Take(Kind::kLiteral, character.size());
        tokens_.back().character = character;
        return absl::OkStatus();
    }
  }

  void Take(Kind kind, std::size_t size) {
    tokens_.push_back({kind, std::string(text_.substr(0, size))});
    text_.remove_prefix(std::min(size, text_.size()));
  }

  // Length of `?:`, `?P<name>` or `?flags` with its `:`, after the parenthesis.
  std::size_t GroupHead() const {
    const std::size_t end = text_.find_first_of(text_.substr(0, 3) == "?P<" ? ">" : ":)");
    if (end == std::string_view::npos) return text_.size();
    return text_[end] == ')' ? end : end + 1;
  }

  absl::Status Escape() {
    if (text_.size() < 2) return Invalid("ends with a backslash");
    const char c = text_[1];
    if (c == 'Q') return Invalid("uses \\Q, which would hide variables; write a backslash before each character");
    if (IsLetter(c) || IsDigit(c)) {
      // `\pL`, `\p{Greek}`, `\x{10ffff}`: the braces are no variable.
      const bool braces = (c == 'p' || c == 'P' || c == 'x') && text_.size() > 2 && text_[2] == '{';
      const std::size_t end = braces ? text_.find('}') : 1;
      if (end == std::string_view::npos) return Invalid("has a brace without its other half");
      Take(Kind::kOther, end + 1);
      return absl::OkStatus();
    }
    const std::string character(FirstCharacter(text_.substr(1)));
    Take(Kind::kLiteral, 1 + character.size());
    tokens_.back().character = character;
    return absl::OkStatus();
  }

  // `[…]`, in which a `]` at the start is itself, and `[:alpha:]` is a unit.
  absl::Status Class() {
    std::size_t at = 1;
    if (at < text_.size() && text_[at] == '^') ++at;
    for (bool first = true; at < text_.size(); first = false) {
      const char c = text_[at];
      if (c == ']' && !first) {
        Take(Kind::kOther, at + 1);
        return absl::OkStatus();
      }
      if (c == '\\') {
        const bool braces = at + 2 < text_.size() && text_[at + 2] == '{' && IsLetter(text_[at + 1]);
        const std::size_t end = braces ? text_.find('}', at) : at + 1;
        if (end == std::string_view::npos) break;
        at = end + 1;
        continue;
      }
      if (text_.substr(at, 2) == "[:") {
        const std::size_t end = text_.find(":]", at);
        if (end != std::string_view::npos) {
          at = end + 2;
          continue;
        }
      }
      if (c == '{' && at + 1 < text_.size() && IsLetter(text_[at + 1])) {
        return Invalid("has a variable inside brackets, where its characters would be alternatives");
      }
      ++at;
    }
    return Invalid("has a bracket without its other half");
  }

  absl::Status Brace() {
    if (text_.size() < 2 || !IsLetter(text_[1])) {
      const std::size_t end = text_.find_first_not_of("0123456789,", 1);
      if (end == std::string_view::npos || text_[end] != '}') {
        Take(Kind::kOther, 1);  // RE2 takes it for itself
      } else {
        Take(Kind::kQuantifier, end + 1);
      }
      return absl::OkStatus();
    }
    const std::size_t close = VariableEnd(text_);
    if (close == std::string_view::npos) return Invalid("has a brace without its other half");
    LKT_ASSIGN_OR_RETURN(Variable variable, Variable::Parse(text_.substr(1, close - 1), options_));
    Take(Kind::kVariable, close + 1);
    tokens_.back().variable = std::move(variable);
    return absl::OkStatus();
  }

  std::string_view text_;
  const TemplateOptions& options_;
  std::vector<Token> tokens_;
  bool has_flags_ = false;
};

// Whether the border of every variable can be seen.
absl::Status CheckBorders(const std::vector<Token>& tokens) {
  using Kind = Token::Kind;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].kind != Kind::kVariable) continue;
    if (i > 0 && tokens[i - 1].kind == Kind::kVariable) {
      return Invalid("has a variable right after another; put a character between them");
    }
    if (i > 0 && tokens[i - 1].kind != Kind::kLiteral) {
      return Invalid("has a variable right after pattern text; put a literal character between them, such as `_`");
    }
    if (i + 1 == tokens.size() || tokens[i + 1].kind == Kind::kVariable) continue;
    const bool literal = tokens[i + 1].kind == Kind::kLiteral;
    const bool repeated = i + 2 < tokens.size() && tokens[i + 2].kind == Kind::kQuantifier;
    if (!literal || repeated) {
      return Invalid(
          "has a variable followed by pattern text; put a literal character that is not repeated between them, such as "
          "`_`");
    }
  }
  return absl::OkStatus();
}

// The number of tokens up to the last variable and the character behind it, if only literal text and variables are
// there and the rest means the same by itself; 0 if not.
std::size_t LiteralHead(const std::vector<Token>& tokens) {
  using Kind = Token::Kind;
  const auto last =
      std::find_if(tokens.rbegin(), tokens.rend(), [](const Token& t) { return t.kind == Kind::kVariable; });
  const auto size = static_cast<std::size_t>(tokens.rend() - last);
  for (std::size_t i = 0; i < size; ++i) {
    if (tokens[i].kind != Kind::kVariable && tokens[i].kind != Kind::kLiteral) return 0;
  }
  int depth = 0;
  for (std::size_t i = size; i < tokens.size(); ++i) {
    if (tokens[i].kind == Kind::kOpen) ++depth;
    if (tokens[i].kind == Kind::kClose) --depth;
    if (tokens[i].kind == Kind::kAlternative && depth == 0) return 0;
    // These look at what stands before them.
    for (const char* assertion : {"^", "\\A", "\\b", "\\B"}) {
      if (tokens[i].kind == Kind::kOther && tokens[i].text == assertion) return 0;
    }
  }
  return std::min(size + 1, tokens.size());
}

}  // namespace

// Compiled expressions by their text; the one unused for longest makes room.
class PatternCache {
 public:
  std::shared_ptr<const re2::RE2> Get(const std::string& text) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto at = by_text_.find(text); at != by_text_.end()) {
        used_.splice(used_.begin(), used_, at->second);
        return at->second->second;
      }
    }
    std::shared_ptr<const re2::RE2> expression = Compile(text);
    const std::lock_guard lock(mutex_);
    if (by_text_.count(text) != 0) return expression;  // another thread was faster
    used_.emplace_front(text, expression);
    by_text_.emplace(text, used_.begin());
    if (used_.size() > Pattern::kMaxCached) {
      by_text_.erase(used_.back().first);
      used_.pop_back();
    }
    return expression;
  }

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const re2::RE2>>;
  std::mutex mutex_;
  std::list<Entry> used_;  // the latest first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_text_;
};

Pattern::Pattern() = default;
Pattern::~Pattern() = default;

absl::StatusOr<std::shared_ptr<const Pattern>> Pattern::Parse(std::string_view text, const TemplateOptions& options) {
  using Kind = Token::Kind;
  if (text.empty()) return Invalid("is empty");
  if (text.size() > kMaxBytes) return Invalid("has more than 1024 bytes");
  if (!IsValidUtf8(text) || text.find('\0') != std::string_view::npos) return Invalid("is not UTF-8 text");
  TemplateOptions own = options;
  own.may_be_absent = false;
  own.may_be_random = false;
  Scanner scanner(text, own);
  LKT_ASSIGN_OR_RETURN(const std::vector<Token> tokens, scanner.Scan());
  LKT_RETURN_IF_ERROR(CheckBorders(tokens));
  const bool has_variables =
      std::any_of(tokens.begin(), tokens.end(), [](const Token& token) { return token.kind == Kind::kVariable; });
  if (has_variables && scanner.has_flags()) {
    return Invalid(
        "has flags such as (?i) and variables, so that one claim could stand for another; leave the flags out");
  }

  // The whole with a stand-in for each variable must be an expression.
  std::string probe;
  for (const Token& token : tokens) probe += token.variable ? "x" : token.text;
  if (const auto compiled = Compile(probe); !compiled->ok()) {
    return Invalid("is not a regular expression of RE2: " + std::string(compiled->error()));
  }

  std::shared_ptr<Pattern> pattern(new Pattern);
  const std::size_t head = has_variables ? LiteralHead(tokens) : 0;
  const bool split = head > 0 || !has_variables;
  bool behind_pattern_text = false;
  for (std::size_t i = 0; i < (split ? head : tokens.size()); ++i) {
    const Token& token = tokens[i];
    TemplatePart part{split ? token.character : token.text, token.variable, "", ""};
    if (token.variable && token.variable->is_free_text()) {
      if (behind_pattern_text) part.before = tokens[i - 1].character;
      if (i + 1 < tokens.size()) part.after = tokens[i + 1].character;
    }
    if (!token.variable && token.kind != Kind::kLiteral) behind_pattern_text = true;
    pattern->parts_.push_back(std::move(part));
  }
  if (split) {
    std::string rest;
    for (std::size_t i = head; i < tokens.size(); ++i) rest += tokens[i].text;
    pattern->rest_ = Compile(rest);
    if (!pattern->rest_->ok()) return Invalid("is not a regular expression of RE2");
  } else {
    pattern->cache_ = std::make_unique<PatternCache>();
  }
  return pattern;
}

absl::StatusOr<bool> Pattern::Matches(const Principal& principal, std::string_view value) const {
  if (rest_ != nullptr) {
    LKT_ASSIGN_OR_RETURN(const std::string head, RenderParts(parts_, principal));
    return value.substr(0, head.size()) == head && FullMatch(*rest_, value.substr(head.size()));
  }
  LKT_ASSIGN_OR_RETURN(const std::string text, RenderParts(parts_, principal, Quote));
  if (text.size() > kMaxRenderedBytes) return false;
  const auto expression = cache_->Get(text);
  return expression->ok() && FullMatch(*expression, value);
}

}  // namespace livekit::token
