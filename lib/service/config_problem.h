// What is wrong with a configuration, and where.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace livekit::token {

// One problem of a configuration file.
struct ConfigProblem {
  std::string path;     // such as `policies[2].room.default`; empty for the file as a whole
  std::string message;  // what is wrong and how to mend it; never a secret
};

using ConfigProblems = std::vector<ConfigProblem>;

// The problem as it may be shown.
ConfigProblem HideSecrets(const ConfigProblem& problem);
// `file: path: message` a line each, without what looks like a secret.
std::string FormatProblems(std::string_view file, const ConfigProblems& problems);

// The path with a field or an index appended.
std::string ConfigPath(std::string_view parent, std::string_view field);
std::string ConfigPath(std::string_view parent, int index);

}  // namespace livekit::token
