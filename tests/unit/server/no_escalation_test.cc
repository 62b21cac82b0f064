// Property: what a token allows lies within what was asked for, what the policy says and what the ceiling of the caller
// permits. Configurations are made at random as YAML and go through the builder; what they mean is written here once
// more, from the rules and LiveKit's defaults and not from the engine's code.

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "authority_fixture.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "livekit/token/access_token.h"

namespace livekit::token {
namespace {

using nlohmann::json;
using testing::ClaimsOf;
using testing::Effective;
using testing::EffectiveOf;
using testing::InDir;
using testing::kSources;

using Random = std::mt19937_64;

bool Chance(Random& random, unsigned percent) { return random() % 100 < percent; }
template <typename T>
const T& Pick(Random& random, const std::vector<T>& from) {
  return from[random() % from.size()];
}

// --- the meaning, written independently

struct Person {
  std::string authenticator;
  std::string subject;
  json claims;
  Principal ToPrincipal() const { return {authenticator, subject, Claims(claims)}; }
};

// `{subject}`, `{claims.t}` and `{claims.o?}` replaced; nothing if a rule forbids it, "" if the field is left out.
std::optional<std::string> Expand(const std::string& text, const Person& person) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '{') {
      out += text[i++];
      continue;
    }
    const std::size_t end = text.find('}', i);
    const std::string name = text.substr(i + 1, end - i - 1);
    i = end + 1;
    std::string value;
    if (name == "subject") {
      value = person.subject;
    } else {
      const bool optional = name.back() == '?';
      const auto claim = person.claims.find(std::string(1, name[7]));
      const bool there = claim != person.claims.end() && !claim->is_null();
      if (there && !claim->is_string()) return std::nullopt;
      if (there) value = claim->get<std::string>();
      if (value.empty() && optional) return "";
    }
    if (value.empty()) return std::nullopt;
    if (i < text.size() && value.find(text[i]) != std::string::npos) return std::nullopt;
    out += value;
  }
  return out;
}

// Globs as recursion.
bool Like(const std::string& glob, const std::string& text, std::size_t g = 0, std::size_t t = 0) {
  if (g == glob.size()) return t == text.size();
  if (glob[g] == '*') return Like(glob, text, g + 1, t) || (t < text.size() && Like(glob, text, g, t + 1));
  return t < text.size() && glob[g] == text[t] && Like(glob, text, g + 1, t + 1);
}
bool LikeAny(const std::vector<std::string>& globs, const std::string& text) {
  for (const auto& glob : globs) {
    if (Like(glob, text)) return true;
  }
  return false;
}

std::string List(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const auto& text : texts) out += (out.size() > 1 ? ", \"" : "\"") + text + "\"";
  return out + "]";
}

struct Field {
  std::string mode = "forbid";
  std::string default_value;
  std::string value;
  std::string prefix;
  bool pattern = false;  // {claims.t}_[a-c]{1,3}
  std::vector<std::string> one_of;
  std::size_t max_bytes = 0;

  std::string Yaml() const {
    std::string out = "{ client: " + mode;
    if (!default_value.empty()) out += ", default: \"" + default_value + "\"";
    if (!value.empty()) out += ", value: \"" + value + "\"";
    if (!prefix.empty()) out += ", prefix: \"" + prefix + "\"";
    if (pattern) out += ", pattern: \"{claims.t}_[a-c]{1,3}\"";
    if (!one_of.empty()) out += ", one_of: " + List(one_of);
    if (max_bytes > 0) out += ", max_bytes: " + std::to_string(max_bytes);
    return out + " }";
  }

  bool MayChoose(const std::string& sent, const Person& person) const {
    if (mode != "allow" || (max_bytes > 0 && sent.size() > max_bytes)) return false;
    if (!prefix.empty()) {
      const auto start = Expand(prefix, person);
      if (!start || sent.rfind(*start, 0) != 0 || sent == *start) return false;
    }
    if (pattern) {
      const auto start = Expand("{claims.t}_", person);
      if (!start || sent.rfind(*start, 0) != 0) return false;
      const std::string rest = sent.substr(start->size());
      if (rest.empty() || rest.size() > 3 || rest.find_first_not_of("abc") != std::string::npos) return false;
    }
    if (one_of.empty()) return true;
    for (const auto& choice : one_of) {
      if (choice == "{claims.r}") {
        const auto list = person.claims.find("r");
        if (list == person.claims.end()) continue;
        for (const auto& element : *list) {
          if (element == sent) return true;
        }
      } else if (Expand(choice, person) == sent) {
        return true;
      }
    }
    return false;
  }

  // Whether policy, request and person together give `got`.
  bool Explains(const std::string& sent, const std::string& got, const Person& person) const {
    const bool asked = !sent.empty() && mode != "ignore";
    if (asked && value.empty() && MayChoose(sent, person)) return got == sent;
    const std::string& own = value.empty() ? default_value : value;
    const auto expected = own.empty() ? std::string() : Expand(own, person);
    return expected && got == *expected && (!asked || sent == got);
  }
};

struct PolicyModel {
  std::string name;
  std::string authenticator;
  std::vector<std::string> plans;  // claim `p`
  std::vector<std::string> rooms;
  std::vector<std::string> sandboxes;
  std::string scope;
  Field room, identity, display_name, metadata;
  std::string attributes = "forbid";
  std::vector<std::string> keys;
  std::map<std::string, std::string> forced;
  std::string config = "forbid";
  std::vector<std::string> agents, deployments, tags;
  int max_agents = 1;
  bool egress = false;
  std::map<std::string, unsigned> limits;
  std::optional<json> grants;  // in claim names
  int ttl = 15 * 60;
};

Field RandomField(Random& random, bool required) {
  const std::vector<std::string> texts =
      required ? std::vector<std::string>{"a", "b", "u-{subject}", "{claims.t}_{subject}", "{subject}-x", "{claims.t}"}
               : std::vector<std::string>{"a", "n-{subject}", "{claims.o?}", "{claims.t}-{claims.o?}", "{claims.t}"};
  const std::vector<std::string> modes = {"forbid", "ignore", "allow", "allow", "allow", "if_equal"};
  Field field;
  field.mode = Pick(random, modes);
  const bool choice = field.mode == "allow";
  if (field.mode == "if_equal" || (!choice && (required || Chance(random, 50)))) {
    field.value = Pick(random, texts);
  } else if (Chance(random, 60)) {
    field.default_value = Pick(random, texts);
  }
  if (field.mode == "ignore" && Chance(random, 30) && field.default_value.empty())
    std::swap(field.value, field.default_value);
  if (choice && Chance(random, 25)) field.prefix = Chance(random, 50) ? "{claims.t}_" : "u-";
  if (choice && Chance(random, 25)) field.pattern = true;
  if (choice && Chance(random, 25)) field.one_of = {"lobby", "{claims.r}", "{claims.t}_a", "u-{subject}"};
  if (choice && Chance(random, 15)) field.max_bytes = 1 + random() % 8;
  return field;
}

std::vector<std::string> Some(Random& random, const std::vector<std::string>& from) {
  std::vector<std::string> some;
  for (const auto& text : from) {
    if (Chance(random, 40)) some.push_back(text);
  }
  return some;
}

// Names in the configuration and in claims.
const std::vector<std::pair<std::string, std::string>> kPolicyFlags = {
    {"room_admin", "roomAdmin"},
    {"hidden", "hidden"},
    {"recorder", "recorder"},
    {"can_update_own_metadata", "canUpdateOwnMetadata"},
    {"can_subscribe_metrics", "canSubscribeMetrics"}};
const std::vector<std::pair<std::string, std::string>> kMedia = {
    {"can_publish", "canPublish"}, {"can_subscribe", "canSubscribe"}, {"can_publish_data", "canPublishData"}};

PolicyModel RandomPolicy(Random& random, int index) {
  PolicyModel p;
  p.name = "p" + std::to_string(index);
  p.authenticator = Chance(random, 75) ? "partners" : "programs";
  if (Chance(random, 50))
    p.plans = Chance(random, 50) ? std::vector<std::string>{"pro*"} : std::vector<std::string>{"free", "x"};
  if (Chance(random, 20)) p.rooms = {"a*", "lobby"};
  if (Chance(random, 20)) p.sandboxes = {"box"};
  if (Chance(random, 20)) p.scope = "join";
  p.room = RandomField(random, true);
  p.identity = RandomField(random, true);
  p.display_name = RandomField(random, false);
  p.metadata = RandomField(random, false);
  const std::vector<std::string> modes = {"forbid", "ignore", "allow", "allow"};
  p.attributes = Pick(random, modes);
  if (p.attributes == "allow" && Chance(random, 60)) p.keys = {"k*", "lang"};
  if (Chance(random, 40)) p.forced["tier"] = Chance(random, 50) ? "{claims.t}" : "{claims.o?}";
  p.config = Pick(random, modes);
  if (p.config == "allow") {
    p.agents = Some(random, {"bot", "sup-*"});
    if (!p.agents.empty()) p.deployments = Some(random, {"blue", "g*"});
    p.tags = Some(random, {"team", "x*"});
    p.max_agents = 1 + static_cast<int>(random() % 2);
    p.egress = Chance(random, 30);
    for (const char* limit : {"empty_timeout", "departure_timeout", "max_participants", "max_playout_delay"}) {
      if (Chance(random, 40)) p.limits[limit] = 1 + static_cast<unsigned>(random() % 9);
    }
  }
  if (Chance(random, 70)) {
    json grants = json::object();
    for (const auto& [name, claim] : kMedia) grants[claim] = Chance(random, 50);
    for (const auto& [name, claim] : kPolicyFlags) {
      if (Chance(random, 30)) grants[claim] = Chance(random, 70);
    }
    if (Chance(random, 40)) grants["canPublishSources"] = json::array({kSources[random() % 4], kSources[random() % 4]});
    p.grants = grants;
  }
  p.ttl = 120 + static_cast<int>(random() % 5) * 60;
  return p;
}

std::string ToYaml(const PolicyModel& p) {
  std::string out = "  - name: " + p.name + "\n    match: { authenticator: " + p.authenticator;
  if (!p.plans.empty()) out += ", claims: { p: " + List(p.plans) + " }";
  if (!p.rooms.empty()) out += ", room: " + List(p.rooms);
  if (!p.sandboxes.empty()) out += ", sandbox_id: " + List(p.sandboxes);
  if (!p.scope.empty()) out += ", scopes: " + p.scope;
  out += " }\n    project: main\n    room: " + p.room.Yaml() + "\n    identity: " + p.identity.Yaml() +
         "\n    display_name: " + p.display_name.Yaml() + "\n    metadata: " + p.metadata.Yaml() +
         "\n    attributes: { client: " + p.attributes;
  if (!p.keys.empty()) out += ", keys: " + List(p.keys);
  if (!p.forced.empty()) out += ", value: { tier: \"" + p.forced.at("tier") + "\" }";
  out += " }\n    room_config: { client: " + p.config;
  if (p.config == "allow") {
    out += ", agents: " + List(p.agents) + ", deployments: " + List(p.deployments) + ", tags: " + List(p.tags) +
           ", max_agents: " + std::to_string(p.max_agents) + ", egress: " + (p.egress ? "true" : "false") +
           ", limits: {";
    for (const auto& [name, most] : p.limits)
      out += (out.back() == '{' ? " " : ", ") + name + ": " + std::to_string(most);
    out += " }";
  }
  out += " }\n    ttl: " + std::to_string(p.ttl) + "s\n";
  if (p.grants) {
    out += "    grants: {";
    const auto flag = [&](const std::string& name, const std::string& claim) {
      if (!p.grants->contains(claim)) return;
      out += (out.back() == '{' ? " " : ", ") + name + ": " + ((*p.grants)[claim].get<bool>() ? "true" : "false");
    };
    for (const auto& [name, claim] : kMedia) flag(name, claim);
    for (const auto& [name, claim] : kPolicyFlags) flag(name, claim);
    if (p.grants->contains("canPublishSources"))
      out += ", can_publish_sources: " + (*p.grants)["canPublishSources"].dump();
    out += " }\n";
  }
  return out;
}

bool Applies(const PolicyModel& p, const Person& person, const std::string& room, const std::string& sandbox) {
  if (p.authenticator != person.authenticator || p.sandboxes.empty() != sandbox.empty()) return false;
  if (!sandbox.empty() && sandbox != "box") return false;
  if (!p.rooms.empty() && (room.empty() || !LikeAny(p.rooms, room))) return false;
  if (!p.plans.empty()) {
    bool met = false;
    const json plan = person.claims.value("p", json());
    for (const auto& one : plan.is_array() ? plan : json::array({plan})) {
      met = met || (one.is_string() && LikeAny(p.plans, one.get<std::string>()));
    }
    if (!met) return false;
  }
  return p.scope.empty() || person.claims.value("scope", "") == "open join";
}

Person RandomPerson(Random& random) {
  Person person;
  person.authenticator = Chance(random, 75) ? "partners" : "programs";
  person.subject = Pick<std::string>(random, {"alice", "bob", "a_b", "x-y", "{subject}", "*"});
  person.claims = json::object();
  if (Chance(random, 85)) person.claims["t"] = Pick<std::string>(random, {"a", "a_b", "b", "*", ".*", "a-b", ""});
  if (Chance(random, 50)) person.claims["o"] = Pick<std::string>(random, {"opt", "", "a_b"});
  if (Chance(random, 10)) person.claims["t"] = json::array({"a"});
  if (Chance(random, 60)) person.claims["r"] = json::array({"one", "two", "*"});
  if (Chance(random, 70))
    person.claims["p"] = Pick<json>(random, {"pro", "free", json::array({"x", "prox"}), "*", true});
  if (Chance(random, 60)) person.claims["scope"] = Pick<std::string>(random, {"open join", "open joins"});
  return person;
}

std::string RandomValue(Random& random) {
  return Pick<std::string>(
      random, {"",    "",  "a",       "b",     "a_a", "a_b_a", "b_abc", "a_abcd",    "u-alice", "alice", "lobby",
               "one", "*", "a_alice", "n-bob", "*_a", ".*_a",  "opt",   "{subject}", "x_abc",   "u-"});
}

livekit::TokenSourceRequest RandomRequest(Random& random) {
  livekit::TokenSourceRequest request;
  request.set_room_name(RandomValue(random));
  request.set_participant_identity(RandomValue(random));
  if (Chance(random, 40)) request.set_participant_name(RandomValue(random));
  if (Chance(random, 30)) request.set_participant_metadata(RandomValue(random));
  if (Chance(random, 30)) {
    (*request
          .mutable_participant_attributes())[Pick<std::string>(random, {"k1", "lang", "tier", "lk.x", "SIP.y", "z"})] =
        RandomValue(random);
  }
  if (Chance(random, 25)) {
    auto& config = *request.mutable_room_config();
    for (std::size_t n = random() % 3; n-- > 0;) {
      auto& agent = *config.add_agents();
      agent.set_agent_name(Pick<std::string>(random, {"", "bot", "sup-1", "evil", "*"}));
      if (Chance(random, 30)) agent.set_deployment(Pick<std::string>(random, {"blue", "green", "red"}));
      if (Chance(random, 20)) agent.set_metadata("m");
    }
    const auto number = [&] { return Chance(random, 20) ? static_cast<std::uint32_t>(random() % 10) : 0; };
    config.set_empty_timeout(number());
    config.set_departure_timeout(number());
    config.set_max_participants(number());
    config.set_min_playout_delay(number());
    config.set_max_playout_delay(number());
    if (Chance(random, 10)) (*config.mutable_tags())[Pick<std::string>(random, {"team", "x1", "y"})] = "v";
    if (Chance(random, 10)) config.mutable_egress();
    if (Chance(random, 10)) config.set_sync_streams(true);
    if (Chance(random, 10)) config.set_name(RandomValue(random));
  }
  return request;
}

// Whether the policy lets the token carry this configuration.
::testing::AssertionResult ConfigWithin(const PolicyModel& p, const livekit::RoomConfiguration& config) {
  const auto fail = [](const char* why) { return ::testing::AssertionFailure() << why; };
  if (config.ByteSizeLong() == 0) return ::testing::AssertionSuccess();
  if (p.config != "allow") return fail("not allowed");
  const auto within = [&](const char* name, std::uint32_t asked) {
    const auto most = p.limits.find(name);
    return asked == 0 || (most != p.limits.end() && asked <= most->second);
  };
  if (!within("empty_timeout", config.empty_timeout()) || !within("departure_timeout", config.departure_timeout()) ||
      !within("max_participants", config.max_participants()) ||
      !within("max_playout_delay", config.max_playout_delay()) ||
      !within("max_playout_delay", config.min_playout_delay())) {
    return fail("limits");
  }
  if (config.sync_streams()) return fail("sync_streams");
  if (config.has_egress() && !p.egress) return fail("egress");
  for (const auto& [key, value] : config.tags()) {
    if (!LikeAny(p.tags, key)) return fail("tags");
  }
  if (config.agents_size() > p.max_agents) return fail("number of agents");
  for (const auto& agent : config.agents()) {
    if (agent.ByteSizeLong() == 0) continue;
    if (!LikeAny(p.agents, agent.agent_name())) return fail("agent");
    if (!agent.deployment().empty() && !LikeAny(p.deployments, agent.deployment())) return fail("deployment");
  }
  return ::testing::AssertionSuccess();
}

class NoEscalation : public testing::AuthorityFixture {
 protected:
  static constexpr char kHead[] = R"(
projects:
  - { name: main, client_url: wss://main.example, keys: { file: $DIR/main.keys, signing_key: APImain } }
authenticators:
  - { name: partners, api_keys: { file: $DIR/partners.yaml } }
  - { name: programs, api_keys: { file: $DIR/programs.yaml, header: authorization } }
policies:
)";

  // The model's policy for a request; null if none.
  static const PolicyModel* First(const std::vector<PolicyModel>& models, const Person& person, const std::string& room,
                                  const std::string& sandbox) {
    for (const auto& model : models) {
      if (Applies(model, person, room, sandbox)) return &model;
    }
    return nullptr;
  }
};

TEST_F(NoEscalation, OfParticipants) {
  Random random(20261124);
  int granted = 0;
  int refused = 0;
  constexpr int kConfigurations = 600;
  constexpr int kRequests = 500;
  for (int c = 0; c < kConfigurations; ++c) {
    std::vector<PolicyModel> models;
    std::string yaml = kHead;
    for (int i = 0; i < 4; ++i) {
      models.push_back(RandomPolicy(random, i));
      yaml += ToYaml(models.back());
    }
    const auto state = Build(yaml);
    ASSERT_NE(state, nullptr) << yaml;
    for (int r = 0; r < kRequests; ++r) {
      const Person person = RandomPerson(random);
      const livekit::TokenSourceRequest request = RandomRequest(random);
      const std::string sandbox = Chance(random, 15) ? Pick<std::string>(random, {"box", "other"}) : "";
      const auto shown = [&] {
        return yaml + person.subject + person.claims.dump() + request.ShortDebugString() + " sandbox " + sandbox;
      };
      const PolicyModel* model = First(models, person, request.room_name(), sandbox);
      const auto decision = state->policies.Decide(person.ToPrincipal(), request, sandbox);
      if (model == nullptr) {
        ASSERT_THAT(decision, testing::IsRefusal(v1::NO_POLICY)) << shown();
        continue;
      }
      if (!decision.ok()) {
        ASSERT_NE(ReasonOf(decision.status()), v1::NO_POLICY) << shown();
        ++refused;
        continue;
      }
      ++granted;
      const v1::Grants& grants = decision->grants;
      ASSERT_EQ(decision->policy->name, model->name) << shown();
      ASSERT_TRUE(model->room.Explains(request.room_name(), grants.video().room(), person)) << shown();
      ASSERT_TRUE(model->identity.Explains(request.participant_identity(), grants.identity(), person)) << shown();
      ASSERT_TRUE(model->display_name.Explains(request.participant_name(), grants.name(), person)) << shown();
      ASSERT_TRUE(model->metadata.Explains(request.participant_metadata(), grants.metadata(), person)) << shown();
      ASSERT_FALSE(grants.identity().empty() || grants.video().room().empty()) << shown();
      for (const auto& [key, value] : grants.attributes()) {
        if (model->forced.count(key)) {
          ASSERT_EQ(Expand(model->forced.at(key), person), value) << shown();
          continue;
        }
        const auto sent = request.participant_attributes().find(key);
        ASSERT_TRUE(sent != request.participant_attributes().end() && sent->second == value) << shown();
        ASSERT_TRUE(model->attributes == "allow" && key != "lk.x" && key != "SIP.y") << shown();
        ASSERT_TRUE(model->keys.empty() || LikeAny(model->keys, key)) << shown();
      }
      for (const auto& [key, text] : model->forced) {
        ASSERT_EQ(Expand(text, person) == "" ? 0U : 1U, grants.attributes().count(key)) << shown();
      }
      ASSERT_TRUE(ConfigWithin(*model, grants.room_config())) << shown();
      if (grants.has_room_config()) {
        ASSERT_EQ(grants.room_config().ByteSizeLong(), request.room_config().ByteSizeLong()) << shown();
      }
      // And the token, as a server reads it.
      SignOptions options;
      options.ttl = decision->policy->ttl;
      const auto signed_token = Sign(*decision->policy->project->signing_key, grants, options, clock_.Now());
      if (!signed_token.ok()) continue;
      const json claims = ClaimsOf(signed_token->token);
      json most = model->grants.value_or(json::object());
      most["roomJoin"] = true;
      ASSERT_TRUE(EffectiveOf(claims["video"]).Within(EffectiveOf(most))) << shown() << claims.dump();
      ASSERT_EQ(claims["exp"].get<int>() - claims["nbf"].get<int>(), model->ttl);
      for (const char* absent : {"sip", "agent", "inference", "observability", "kind", "roomPreset", "sha256"}) {
        ASSERT_FALSE(claims.contains(absent)) << absent;
      }
      ASSERT_FALSE(claims["video"].contains("destinationRoom"));
    }
  }
  EXPECT_GT(granted, 5'000);
  EXPECT_GT(refused, 5'000);
}

// --- minting

const std::vector<std::string> kMintFlags = {"room_create",
                                             "room_list",
                                             "room_record",
                                             "room_admin",
                                             "room_join",
                                             "ingress_admin",
                                             "hidden",
                                             "recorder",
                                             "agent",
                                             "can_update_own_metadata",
                                             "can_subscribe_metrics",
                                             "can_manage_agent_session",
                                             "can_publish",
                                             "can_subscribe",
                                             "can_publish_data"};

std::string Camel(const std::string& snake) {
  std::string out;
  for (std::size_t i = 0; i < snake.size(); ++i) {
    if (snake[i] == '_') {
      out += static_cast<char>(snake[++i] - 'a' + 'A');
    } else {
      out += snake[i];
    }
  }
  return out;
}

TEST_F(NoEscalation, OfServices) {
  Random random(7);
  int minted = 0;
  int refused = 0;
  for (int c = 0; c < 60; ++c) {
    json ceiling = json::object();
    std::string flags;
    for (const auto& flag : kMintFlags) {
      const bool permitted = Chance(random, flag == "room_join" ? 90 : 55);
      ceiling[Camel(flag)] = permitted;
      flags += flag + ": " + (permitted ? "true" : "false") + ", ";
    }
    const auto sources = Some(random, {"camera", "microphone", "screen_share"});
    ceiling["canPublishSources"] = sources;
    const std::vector<std::string> rooms =
        Chance(random, 70) ? std::vector<std::string>{"a_*", "lobby"} : Some(random, {"a*", "*"});
    const std::vector<std::string> identities =
        Chance(random, 70) ? std::vector<std::string>{"rec_*", "bob"} : Some(random, {"*"});
    const int max_ttl = 60 + static_cast<int>(random() % 3600);
    const std::string yaml =
        std::string(kHead) +
        "  - { name: p, match: { authenticator: partners }, room: { client: allow } }\n"
        "services:\n  - name: s\n    match: { authenticator: programs, subject: recorder }\n    mint: { "
        "rooms: " +
        List(rooms) + ", identities: " + List(identities) + ", max_ttl: " + std::to_string(max_ttl) + "s, video: { " +
        flags + "can_publish_sources: " + List(sources) + " } }\n";
    const auto state = Build(yaml);
    ASSERT_NE(state, nullptr) << yaml;
    authority_ = std::make_unique<TokenAuthority>(state, clock_, metrics_);
    for (int r = 0; r < 250; ++r) {
      v1::MintAccessTokenRequest request;
      v1::Grants& grants = *request.mutable_grants();
      json asked = json::object();
      const auto* descriptor = v1::VideoGrant::descriptor();
      for (const auto& flag : kMintFlags) {
        if (Chance(random, flag == "room_join" ? 40 : 85)) continue;
        const bool value = Chance(random, 70);
        grants.mutable_video()->GetReflection()->SetBool(grants.mutable_video(), descriptor->FindFieldByName(flag),
                                                         value);
        asked[Camel(flag)] = value;
      }
      for (const auto& source :
           Chance(random, 50) ? std::vector<std::string>{} : Some(random, {"camera", "screen_share_audio"})) {
        grants.mutable_video()->add_can_publish_sources(source);
        asked["canPublishSources"].push_back(source);
      }
      grants.set_identity(Pick<std::string>(random, {"rec_1", "bob", "mallory", "rec_1"}));
      grants.mutable_video()->set_room(Pick<std::string>(random, {"a_1", "lobby", "b", "a_1"}));
      if (Chance(random, 20)) grants.mutable_video()->set_destination_room(Pick<std::string>(random, {"a_2", "c"}));
      if (Chance(random, 50)) request.mutable_ttl()->set_seconds(1 + static_cast<int>(random() % 4000));
      const auto result = Mint(AsCaller("recorder"), request);
      if (!result.ok()) {
        ++refused;
        continue;
      }
      ++minted;
      const json claims = ClaimsOf(result->token());
      const json video = claims.value("video", json::object());
      const std::string shown = yaml + request.ShortDebugString() + claims.dump();
      const Effective effective = EffectiveOf(video);
      ASSERT_TRUE(effective.Within(EffectiveOf(ceiling))) << shown;
      ASSERT_TRUE(effective.Within(EffectiveOf(asked))) << shown;
      ASSERT_TRUE(LikeAny(identities, claims["sub"].get<std::string>())) << shown;
      ASSERT_TRUE(LikeAny(rooms, video.value("room", ""))) << shown;
      if (video.contains("destinationRoom")) {
        ASSERT_TRUE(LikeAny(rooms, video["destinationRoom"].get<std::string>())) << shown;
      }
      const int ttl = claims["exp"].get<int>() - claims["nbf"].get<int>();
      ASSERT_LE(ttl, max_ttl) << shown;
      if (request.has_ttl()) {
        ASSERT_EQ(ttl, request.ttl().seconds()) << shown;
      }
    }
  }
  EXPECT_GT(minted, 500);
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace livekit::token
