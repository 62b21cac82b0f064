// Tests of policies: `--test_policy FILE`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "livekit/token/config/v1/policy_test.pb.h"
#include "server/authority_state.h"
#include "service/config.h"

namespace livekit::token {

// What came of one test.
struct PolicyTestResult {
  std::string name;
  std::vector<std::string> failures;  // what is not as it must be, a line each; none: the test passes
};

// Runs every test of `file` through the decision that also issues and explains. Tests that say something impossible are
// noted in `problems`; then nothing is run.
std::vector<PolicyTestResult> RunPolicyTests(const config::v1::PolicyTestFile& file, const AuthorityState& state,
                                             Time now, ConfigProblems& problems);

// Carries out `--test_policy PATH`: prints a line for each test, what is wrong below it, and a last line that counts.
// Problems of the file go to standard error. Returns the exit code: clean if all tests pass.
int RunTestPolicy(const std::string& path, const AuthorityState& state);

}  // namespace livekit::token
