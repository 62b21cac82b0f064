#include "service/config_problem.h"

#include "base/text.h"

namespace livekit::token {

ConfigProblem HideSecrets(const ConfigProblem& problem) {
  return {HideSecrets(problem.path), HideSecrets(problem.message)};
}

std::string FormatProblems(std::string_view file, const ConfigProblems& problems) {
  std::string out;
  for (const ConfigProblem& shown : problems) {
    const ConfigProblem problem = HideSecrets(shown);
    out.append(HideSecrets(file)).append(": ");
    // A path has keys of the file in it; they are to stay on one line.
    for (const char c : problem.path) out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c);
    if (!problem.path.empty()) out.append(": ");
    out.append(problem.message).append("\n");
  }
  return out;
}

std::string ConfigPath(std::string_view parent, std::string_view field) {
  std::string path(parent);
  if (!path.empty()) path.push_back('.');
  return path.append(field);
}

std::string ConfigPath(std::string_view parent, int index) {
  return std::string(parent) + "[" + std::to_string(index) + "]";
}

}  // namespace livekit::token
