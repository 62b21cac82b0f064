#include "server/policy_tests.h"

#include <cstdio>
#include <optional>
#include <set>
#include <utility>

#include "base/status.h"
#include "livekit/token/v1/errors.pb.h"
#include "server/explain.h"
#include "server/message_diff.h"
#include "service/process.h"

namespace livekit::token {
namespace {

namespace cfg = config::v1;
using Answer = v1::ExplainParticipantTokenResponse;
using Lines = std::vector<std::string>;

// A test that can be run.
struct ReadyTest {
  const cfg::PolicyTest* test;
  ImaginedPrincipal who;
};

void CheckExpectation(const std::string& path, const cfg::PolicyTestExpectation& expect, ConfigProblems& problems) {
  const bool granted = !expect.policy().empty() || expect.has_grants() || expect.has_ttl();
  if (expect.reason().empty()) {
    if (!granted) problems.push_back({path, "expects nothing; state `grants`, `policy` or `ttl`, or `reason`"});
    if (!expect.field().empty()) problems.push_back({ConfigPath(path, "field"), "goes with `reason` only"});
    if (expect.ttl().nanos() != 0) problems.push_back({ConfigPath(path, "ttl"), "must be whole seconds"});
    return;
  }
  if (granted)
    problems.push_back({path, "expects a token and a refusal; `grants`, `policy` and `ttl` exclude `reason`"});
  v1::ErrorReason reason;
  if (!v1::ErrorReason_Parse(expect.reason(), &reason) || reason == v1::ERROR_REASON_UNSPECIFIED) {
    problems.push_back({ConfigPath(path, "reason"), "is not the name of a reason, such as ROOM_NOT_PERMITTED"});
  }
}

// Finds everything that makes tests impossible.
std::vector<ReadyTest> Prepare(const cfg::PolicyTestFile& file, const AuthorityState& state, ConfigProblems& problems) {
  std::vector<ReadyTest> ready;
  std::set<std::string> names;
  if (file.tests().empty()) problems.push_back({"tests", "at least one is required"});
  for (int i = 0; i < file.tests_size(); ++i) {
    const cfg::PolicyTest& test = file.tests(i);
    const std::string path = ConfigPath("tests", i);
    if (test.name().empty()) {
      problems.push_back({ConfigPath(path, "name"), "is required"});
    } else if (!names.insert(test.name()).second) {
      problems.push_back({ConfigPath(path, "name"), "is there twice"});
    }
    CheckExpectation(ConfigPath(path, "expect"), test.expect(), problems);
    v1::ExplainParticipantTokenRequest::Principal stated;
    stated.set_authenticator(test.principal().authenticator());
    stated.set_service(test.principal().service());
    stated.set_subject(test.principal().subject());
    *stated.mutable_claims() = test.principal().claims();
    auto who = ImaginePrincipal(state, stated);
    if (who.ok()) {
      ready.push_back({&test, *std::move(who)});
      continue;
    }
    const v1::Error error = ToError(who.status());
    for (const auto& field : error.fields()) {
      problems.push_back({ConfigPath(path, field.field()), field.message()});
    }
  }
  return ready;
}

// The refusal and where it comes from.
void DescribeRefusal(const Answer& answer, Lines& lines) {
  lines.push_back("refused: " + v1::ErrorReason_Name(answer.refusal().reason()) + ": " + answer.refusal().message());
  for (const auto& field : answer.refusal().fields()) lines.push_back("  " + field.field() + ": " + field.message());
  // Refusals behind the first are worth knowing too.
  for (const auto& field : answer.fields()) {
    for (const auto& violation : field.refusal().fields()) {
      const bool said = answer.refusal().fields_size() > 0 && answer.refusal().fields(0).field() == violation.field();
      if (!said) lines.push_back("  " + violation.field() + ": " + violation.message());
    }
  }
  for (const auto& policy : answer.policies()) {
    lines.push_back("  policy " + policy.name() + ": " + (policy.matched() ? "It applies." : policy.message()));
  }
}

std::string DescribeGrants(const v1::Grants& grants) {
  std::string out;
  for (const StatedField& field : StatedFields(grants)) {
    out += (out.empty() ? "" : ", ") + field.path + "=" + Shown(field);
  }
  return out;
}

void CompareRefusal(const cfg::PolicyTestExpectation& expect, const Answer& answer, Lines& lines) {
  if (!answer.has_refusal()) {
    lines.push_back("expected reason " + expect.reason() + ", got grants " + DescribeGrants(answer.grants()));
    return;
  }
  const std::string& reason = v1::ErrorReason_Name(answer.refusal().reason());
  if (reason != expect.reason()) {
    lines.push_back("expected reason " + expect.reason() + ", got reason " + reason);
    DescribeRefusal(answer, lines);
    return;
  }
  if (expect.field().empty()) return;
  std::string fields;
  for (const auto& violation : answer.refusal().fields()) {
    if (violation.field() == expect.field()) return;
    fields += (fields.empty() ? "" : ", ") + violation.field();
  }
  lines.push_back("expected field " + expect.field() + ", got " + (fields.empty() ? "no field" : fields));
}

void CompareToken(const cfg::PolicyTestExpectation& expect, const Answer& answer, Lines& lines) {
  const std::string policy =
      !answer.policies().empty() && answer.policies().rbegin()->matched() ? answer.policies().rbegin()->name() : "";
  if (!expect.policy().empty() && policy != expect.policy()) {
    lines.push_back("expected policy " + expect.policy() + ", got " + (policy.empty() ? "none" : "policy " + policy));
  }
  if (answer.has_refusal()) return DescribeRefusal(answer, lines);
  if (expect.has_grants()) {
    for (auto& line : Differences(expect.grants(), answer.grants())) lines.push_back(std::move(line));
  }
  if (expect.has_ttl() && expect.ttl().seconds() != answer.ttl().seconds()) {
    lines.push_back("ttl: expected " + std::to_string(expect.ttl().seconds()) + "s, got " +
                    std::to_string(answer.ttl().seconds()) + "s");
  }
}

Lines Failures(const ReadyTest& ready, const AuthorityState& state, Time now) {
  const cfg::PolicyTest& test = *ready.test;
  const auto answer = ExplainDecision(state, {ready.who.principal, ready.who.via, test.request(), test.sandbox_id()},
                                      /*host=*/"", now, /*reader=*/nullptr);
  Lines lines;
  if (!answer.ok()) {
    lines.push_back(ToError(answer.status()).message());
  } else if (test.expect().reason().empty()) {
    CompareToken(test.expect(), *answer, lines);
  } else {
    CompareRefusal(test.expect(), *answer, lines);
  }
  return lines;
}

}  // namespace

std::vector<PolicyTestResult> RunPolicyTests(const cfg::PolicyTestFile& file, const AuthorityState& state, Time now,
                                             ConfigProblems& problems) {
  const std::vector<ReadyTest> ready = Prepare(file, state, problems);
  std::vector<PolicyTestResult> results;
  if (!problems.empty()) return results;
  results.reserve(ready.size());
  for (const ReadyTest& test : ready) results.push_back({test.test->name(), Failures(test, state, now)});
  return results;
}

int RunTestPolicy(const std::string& path, const AuthorityState& state) {
  cfg::PolicyTestFile file;
  const auto text = ReadFile(path);
  if (!text.ok()) {
    std::fprintf(stderr, "%s\n", std::string(text.status().message()).c_str());
    return kExitFailure;
  }
  ConfigProblems problems = ReadYaml(*text, file);
  std::vector<PolicyTestResult> results;
  if (problems.empty()) results = RunPolicyTests(file, state, SystemClock().Now(), problems);
  if (!problems.empty()) {
    std::fputs(FormatProblems(path, problems).c_str(), stderr);
    return kExitFailure;
  }
  std::size_t failed = 0;
  for (const PolicyTestResult& result : results) {
    if (!result.failures.empty()) ++failed;
    std::printf("%s %s\n", result.failures.empty() ? "ok  " : "FAIL", result.name.c_str());
    for (const std::string& line : result.failures) std::printf("       %s\n", line.c_str());
  }
  std::printf("%zu of %zu tests passed\n", results.size() - failed, results.size());
  return failed == 0 ? kExitClean : kExitFailure;
}

}  // namespace livekit::token
