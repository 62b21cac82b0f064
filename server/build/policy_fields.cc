#include "server/build/policy_fields.h"

#include <map>
#include <utility>

#include "livekit/token/grants.h"
#include "server/build/context.h"

namespace livekit::token::build {
namespace {

namespace cfg = config::v1;

class FieldBuilder {
 public:
  FieldBuilder(const std::string& path, const cfg::FieldRule& field, const FieldPlace& place, bool anonymous,
               Context& context)
      : path_(path), field_(field), place_(place), context_(context), options_(OptionsFor(context, anonymous)) {
    options_.may_be_absent = !place.required;
  }

  FieldRule Build() {
    FieldRule rule;
    rule.mode = Mode();
    rule.default_value = Value("default", field_.default_());
    rule.value = Value("value", field_.value());
    CheckValues(rule.mode);
    BuildChoice(rule);
    return rule;
  }

 private:
  FieldMode Mode() const {
    switch (field_.client()) {
      case cfg::FIELD_MODE_ALLOW:
        return FieldMode::kAllow;
      case cfg::FIELD_MODE_IF_EQUAL:
        return FieldMode::kIfEqual;
      case cfg::FIELD_MODE_IGNORE:
        return FieldMode::kIgnore;
      default:
        return FieldMode::kForbid;
    }
  }

  std::optional<Template> Parse(const std::string& path, const std::string& text, const TemplateOptions& options) {
    auto parsed = Template::Parse(text, options);
    if (parsed.ok()) return *std::move(parsed);
    context_.Problem(path, Sentence(parsed.status()));
    return std::nullopt;
  }

  // A template that gives the field its value.
  std::optional<Template> Value(const char* name, const std::string& text) {
    if (text.empty()) return std::nullopt;
    auto parsed = Parse(ConfigPath(path_, name), text, options_);
    if (parsed && parsed->Constant()) {
      if (const auto problem = TextProblem(text, place_.use); !problem.empty()) {
        context_.Problem(ConfigPath(path_, name), std::string(problem));
      } else if (text.size() > place_.max_bytes) {
        context_.Problem(ConfigPath(path_, name), "has more bytes than LiveKit takes");
      }
    }
    return parsed;
  }

  void CheckValues(FieldMode mode) {
    const bool has_value = !field_.value().empty();
    const bool has_default = !field_.default_().empty();
    if (has_value && has_default) context_.Problem(path_, "has both `default` and `value`; `value` is always taken");
    if (mode == FieldMode::kIfEqual && !has_value) {
      context_.Problem(ConfigPath(path_, "value"), "is required with `client: if_equal`");
    }
    if (mode == FieldMode::kAllow && has_value) {
      context_.Problem(ConfigPath(path_, "value"),
                       "is the forced value and does not go with `client: allow`; use `default`");
    }
    // A room or identity that neither the client nor the policy may give would refuse every request.
    const bool client_gives = mode == FieldMode::kAllow || mode == FieldMode::kIfEqual;
    if (place_.required && !client_gives && !has_value && !has_default) {
      context_.Problem(path_, "can never be had; give `value`, or `client: allow`");
    }
  }

  // What restricts a client that may choose.
  void BuildChoice(FieldRule& rule) {
    CheckOnlyWithAllow(ConfigPath(path_, "pattern"), rule.mode, !field_.pattern().empty(), context_);
    CheckOnlyWithAllow(ConfigPath(path_, "one_of"), rule.mode, field_.one_of_size() > 0, context_);
    CheckOnlyWithAllow(ConfigPath(path_, "prefix"), rule.mode, !field_.prefix().empty(), context_);
    CheckOnlyWithAllow(ConfigPath(path_, "max_bytes"), rule.mode, field_.max_bytes() != 0, context_);
    TemplateOptions options = options_;
    options.may_be_random = false;
    if (!field_.pattern().empty()) {
      auto pattern = Pattern::Parse(field_.pattern(), options);
      if (pattern.ok()) {
        rule.pattern = *std::move(pattern);
      } else {
        context_.Problem(ConfigPath(path_, "pattern"), Sentence(pattern.status()));
      }
    }
    for (int i = 0; i < field_.one_of_size(); ++i) {
      auto choice = Parse(ConfigPath(ConfigPath(path_, "one_of"), i), field_.one_of(i), options);
      if (choice) rule.one_of.push_back(*std::move(choice));
    }
    // Without its claim, the prefix would be that of every value.
    options.may_be_absent = false;
    if (!field_.prefix().empty()) {
      rule.prefix = Parse(ConfigPath(path_, "prefix"), field_.prefix(), options);
      if (rule.prefix && rule.prefix->EndsWithVariable()) {
        context_.Problem(ConfigPath(path_, "prefix"),
                         "ends with a variable, so that what begins with `a` could belong to `a` and to `ab`; put a "
                         "character behind it, such as `_`");
      }
    }
    if (field_.max_bytes() < 0 || static_cast<std::size_t>(field_.max_bytes()) > place_.max_bytes) {
      context_.Problem(ConfigPath(path_, "max_bytes"),
                       "must be from 1 to LiveKit's own limit of " + std::to_string(place_.max_bytes));
    } else {
      rule.max_bytes = static_cast<std::size_t>(field_.max_bytes());
    }
  }

  const std::string& path_;
  const cfg::FieldRule& field_;
  const FieldPlace& place_;
  Context& context_;
  TemplateOptions options_;
};

}  // namespace

TemplateOptions OptionsFor(const Context& context, bool anonymous) {
  TemplateOptions options;
  options.hmac_key = context.hmac_key;
  options.anonymous = anonymous;
  return options;
}

FieldRule BuildField(const std::string& path, const cfg::FieldRule& field, const FieldPlace& place, bool anonymous,
                     Context& context) {
  return FieldBuilder(path, field, place, anonymous, context).Build();
}

AttributesRule BuildAttributes(const std::string& path, const cfg::AttributesRule& attributes, bool anonymous,
                               Context& context) {
  AttributesRule rule;
  rule.mode = BuildMode(ConfigPath(path, "client"), attributes.client(), context);
  CheckOnlyWithAllow(ConfigPath(path, "keys"), rule.mode, attributes.keys_size() > 0, context);
  CheckOnlyWithAllow(ConfigPath(path, "max_bytes"), rule.mode, attributes.max_bytes() != 0, context);
  context.CheckGlobs(ConfigPath(path, "keys"), attributes.keys());
  for (int i = 0; i < attributes.keys_size(); ++i) {
    if (IsReservedKey(attributes.keys(i))) {
      context.Problem(ConfigPath(ConfigPath(path, "keys"), i),
                      "is reserved for LiveKit and never set by clients; `value` can set it");
    }
    rule.keys.push_back(attributes.keys(i));
  }
  const std::map<std::string, std::string> sorted(attributes.value().begin(), attributes.value().end());
  for (const auto& [key, text] : sorted) {
    const std::string place = ConfigPath(ConfigPath(path, "value"), key);
    if (key.empty() || !TextProblem(key, TextUse::kKey).empty()) {
      context.Problem(ConfigPath(path, "value"), "has a key that is empty or has invisible characters");
    }
    auto parsed = Template::Parse(text, OptionsFor(context, anonymous));
    if (parsed.ok()) {
      rule.value.emplace_back(key, *std::move(parsed));
    } else {
      context.Problem(place, Sentence(parsed.status()));
    }
  }
  if (attributes.max_bytes() < 0 || static_cast<std::size_t>(attributes.max_bytes()) > kMaxAttributesBytes) {
    context.Problem(ConfigPath(path, "max_bytes"),
                    "must be from 1 to LiveKit's own limit of " + std::to_string(kMaxAttributesBytes));
  } else {
    rule.max_bytes = static_cast<std::size_t>(attributes.max_bytes());
  }
  return rule;
}

FieldMode BuildMode(const std::string& path, cfg::FieldMode mode, Context& context) {
  if (mode == cfg::FIELD_MODE_IF_EQUAL) {
    context.Problem(path, "must be forbid, ignore or allow; a `value` may be equalled with forbid");
  }
  if (mode == cfg::FIELD_MODE_ALLOW) return FieldMode::kAllow;
  return mode == cfg::FIELD_MODE_IGNORE ? FieldMode::kIgnore : FieldMode::kForbid;
}

void CheckOnlyWithAllow(const std::string& path, FieldMode mode, bool stated, Context& context) {
  if (stated && mode != FieldMode::kAllow) {
    context.Problem(path, "goes only with `client: allow`; without it, clients choose nothing");
  }
}

}  // namespace livekit::token::build
