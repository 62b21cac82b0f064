#include "support/leaks.h"

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <system_error>

namespace livekit::token::testing {
namespace {

constexpr std::size_t kMinWord = 16;

std::set<std::string>& Planted() {
  static auto* const planted = new std::set<std::string>;
  return *planted;
}

// A pipe gives its text only once, to the program.
std::string ReadAll(const std::string& path) {
  if (std::error_code error; !std::filesystem::is_regular_file(path, error)) return "";
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The words of a file or variable with secrets, without those in front of a colon, which are names.
void AddWords(const std::string& text, std::set<std::string>& secrets) {
  static const std::regex kWord(R"([^\s"'{},]+)");
  for (std::sregex_iterator it(text.begin(), text.end(), kWord), end; it != end; ++it) {
    const std::string word = it->str();
    if (word.size() >= kMinWord && word.back() != ':') secrets.insert(word);
  }
}

// In base64 three bytes are four characters; whatever stands before and behind the text, these characters are there.
std::string Base64Core(std::string_view text, std::size_t before, std::string_view last_two) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + std::string(last_two);
  text.remove_prefix((3 - before) % 3);
  std::string core;
  for (std::size_t i = 0; i + 3 <= text.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t j = 0; j < 3; ++j) bits = bits << 8 | static_cast<unsigned char>(text[i + j]);
    for (int shift = 18; shift >= 0; shift -= 6) core.push_back(digits[bits >> shift & 63]);
  }
  return core;
}

std::string Hex(std::string_view text, std::string_view digits) {
  std::string hex;
  for (const char c : text) {
    hex.push_back(digits[static_cast<unsigned char>(c) >> 4]);
    hex.push_back(digits[c & 15]);
  }
  return hex;
}

std::set<std::string> FormsOf(const std::string& secret) {
  std::set<std::string> forms{secret, Hex(secret, "0123456789abcdef"), Hex(secret, "0123456789ABCDEF")};
  for (std::size_t before = 0; before < 3; ++before) {
    forms.insert(Base64Core(secret, before, "+/"));
    forms.insert(Base64Core(secret, before, "-_"));
  }
  return forms;
}

}  // namespace

void PlantSecret(const std::string& secret) { Planted().insert(secret); }

std::set<std::string> SecretsGivenTo(const std::vector<std::string>& args,
                                     const std::map<std::string, std::string>& environment) {
  std::set<std::string> secrets;
  const auto add_file = [&](const std::string& path) { AddWords(ReadAll(path), secrets); };
  for (const auto& [name, value] : environment) {
    if (name == "LIVEKIT_API_SECRET" || name == "LIVEKIT_KEYS") AddWords(value, secrets);
    if (name == "LIVEKIT_API_SECRET_FILE" || name == "LIVEKIT_KEY_FILE") add_file(value);
  }
  static const std::regex kSecretFile(
      R"((?:keys:\s*\{?\s*(?:\w+:\s*[^,}\n]+[,\n]\s*)?file|\b(?:api_secret|hs\d+_secret|client_secret|caller_token|token|hmac_key|key)_file):\s*"?([^",}\s]+))");
  for (const std::string& arg : args) {
    const std::size_t at = arg.find('=') + 1;
    if (arg.rfind("--caller_token_file=", 0) == 0) add_file(arg.substr(at));
    if (arg.rfind("--config=", 0) != 0) continue;
    const std::string config = ReadAll(arg.substr(at));
    for (std::sregex_iterator it(config.begin(), config.end(), kSecretFile), end; it != end; ++it) {
      add_file((*it)[1].str());
    }
  }
  return secrets;
}

std::vector<std::string> FindLeaks(std::string_view text, const std::set<std::string>& secrets) {
  // At the start of a word: an identifier of random letters may well have these three inside.
  static const std::regex kToken("(^|[^A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8}");
  static const std::regex kCredential("(bearer|basic) [A-Za-z0-9._~+/=-]{8}", std::regex::icase);
  std::set<std::string> all = Planted();
  all.insert(secrets.begin(), secrets.end());
  std::set<std::string> forms;
  for (const std::string& secret : all) forms.merge(FormsOf(secret));
  std::vector<std::string> leaks;
  std::stringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_search(line, kToken)) leaks.push_back("a token: " + line);
    if (std::regex_search(line, kCredential)) leaks.push_back("a credential: " + line);
    for (const std::string& form : forms) {
      if (line.find(form) != std::string::npos) leaks.push_back("the secret " + form + ": " + line);
    }
  }
  return leaks;
}

}  // namespace livekit::token::testing
