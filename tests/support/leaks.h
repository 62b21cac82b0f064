// Secrets in what programs print.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace livekit::token::testing {

// From now on no program of this test may print `secret`, which has at least 8 characters.
void PlantSecret(const std::string& secret);

// The secrets that a program is given: in its environment, and in the files that these flags, this environment and its
// configuration name, as far as they can be read now. Words of fewer than 16 characters are none.
std::set<std::string> SecretsGivenTo(const std::vector<std::string>& args,
                                     const std::map<std::string, std::string>& environment);

// The files that the configuration of these flags has the audit written to.
std::set<std::string> AuditFilesOf(const std::vector<std::string>& args);

// Where `text` shows what nobody may see, one entry for each line and kind: a JSON Web Token or the beginning of one, a
// credential with its scheme, or one of `secrets` or of those planted, as it stands, in base64 or in hexadecimal
// digits.
std::vector<std::string> FindLeaks(std::string_view text, const std::set<std::string>& secrets);

}  // namespace livekit::token::testing
