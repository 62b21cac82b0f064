// Configuration of a policy's fields.
#pragma once

#include <string>

#include "livekit/token/config/v1/server_config.pb.h"
#include "server/field_rule.h"

namespace livekit::token::build {

struct Context;

// What templates of a policy may hold; `anonymous` tells whether its principals are.
TemplateOptions OptionsFor(const Context& context, bool anonymous);

// Makes the rule of a string field and notes what is wrong with it.
FieldRule BuildField(const std::string& path, const config::v1::FieldRule& field, const FieldPlace& place,
                     bool anonymous, Context& context);

// The same for attributes.
AttributesRule BuildAttributes(const std::string& path, const config::v1::AttributesRule& attributes, bool anonymous,
                               Context& context);

// The mode of a rule whose values cannot be compared with a template.
FieldMode BuildMode(const std::string& path, config::v1::FieldMode mode, Context& context);

// Notes a member that means something only with `client: allow`, if it is stated with another mode.
void CheckOnlyWithAllow(const std::string& path, FieldMode mode, bool stated, Context& context);

}  // namespace livekit::token::build
