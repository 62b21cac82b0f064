// Policies, people and requests at random, with the meaning of a policy written independently: from the rules and
// LiveKit's defaults and not from the engine's code.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "livekit_token_source.pb.h"
#include "server/principal.h"
#include "server_fixture.h"

namespace livekit::token::testing {

using nlohmann::json;

using Random = std::mt19937_64;

inline bool Chance(Random& random, unsigned percent) { return random() % 100 < percent; }
template <typename T>
const T& Pick(Random& random, const std::vector<T>& from) {
  return from[random() % from.size()];
}

// --- the meaning, written independently

struct Person {  // NOLINT(bugprone-exception-escape): of nlohmann::json
  std::string authenticator;
  std::string subject;
  json claims;
  Principal ToPrincipal() const { return {authenticator, subject, Claims(claims)}; }
};

// `{subject}`, `{claims.t}` and `{claims.o?}` replaced; nothing if a rule forbids it, "" if the field is left out.
inline std::optional<std::string> Expand(const std::string& text, const Person& person) {
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
inline bool Like(const std::string& glob, const std::string& text, std::size_t g = 0, std::size_t t = 0) {
  if (g == glob.size()) return t == text.size();
  if (glob[g] == '*') return Like(glob, text, g + 1, t) || (t < text.size() && Like(glob, text, g, t + 1));
  return t < text.size() && glob[g] == text[t] && Like(glob, text, g + 1, t + 1);
}
inline bool LikeAny(const std::vector<std::string>& globs, const std::string& text) {
  for (const auto& glob : globs) {
    if (Like(glob, text)) return true;
  }
  return false;
}

inline std::string List(const std::vector<std::string>& texts) {
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

inline Field RandomField(Random& random, bool required) {
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

inline std::vector<std::string> Some(Random& random, const std::vector<std::string>& from) {
  std::vector<std::string> some;
  for (const auto& text : from) {
    if (Chance(random, 40)) some.push_back(text);
  }
  return some;
}

// Names in the configuration and in claims.
inline const std::vector<std::pair<std::string, std::string>> kPolicyFlags = {
    {"room_admin", "roomAdmin"},
    {"hidden", "hidden"},
    {"recorder", "recorder"},
    {"can_update_own_metadata", "canUpdateOwnMetadata"},
    {"can_subscribe_metrics", "canSubscribeMetrics"}};
inline const std::vector<std::pair<std::string, std::string>> kMedia = {
    {"can_publish", "canPublish"}, {"can_subscribe", "canSubscribe"}, {"can_publish_data", "canPublishData"}};

inline PolicyModel RandomPolicy(Random& random, int index) {
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

inline std::string ToYaml(const PolicyModel& p) {
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

inline bool Applies(const PolicyModel& p, const Person& person, const std::string& room, const std::string& sandbox) {
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

inline Person RandomPerson(Random& random) {
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

inline std::string RandomValue(Random& random) {
  return Pick<std::string>(
      random, {"",    "",  "a",       "b",     "a_a", "a_b_a", "b_abc", "a_abcd",    "u-alice", "alice", "lobby",
               "one", "*", "a_alice", "n-bob", "*_a", ".*_a",  "opt",   "{subject}", "x_abc",   "u-"});
}

inline livekit::TokenSourceRequest RandomRequest(Random& random) {
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

}  // namespace livekit::token::testing
