#include "support/http_corpus.h"

#include <fstream>
#include <stdexcept>

#include "nlohmann/json.hpp"

namespace livekit::token::testing {
namespace {

using nlohmann::json;

// The bytes whose numbers are the characters of `text`, which is UTF-8.
std::string Bytes(const json& text) {
  std::string out;
  const std::string& utf8 = text.get_ref<const std::string&>();
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    if (lead < 0x80) {
      out += utf8[i];
    } else if (lead <= 0xc3 && i + 1 < utf8.size()) {
      out += static_cast<char>((lead << 6) | (static_cast<unsigned char>(utf8[++i]) & 0x3f));
    } else {
      throw std::runtime_error("not a byte in: " + utf8);
    }
  }
  return out;
}

// A text, or a list of texts and repetitions.
std::string Text(const json& value) {
  if (value.is_string()) return Bytes(value);
  std::string out;
  for (const json& piece : value) {
    if (piece.is_string()) {
      out += Bytes(piece);
      continue;
    }
    const std::string once = Bytes(piece.at("repeat"));
    for (int i = piece.at("times").get<int>(); i > 0; --i) out += once;
  }
  return out;
}

CorpusAnswer Answer(const json& value) {
  CorpusAnswer answer;
  answer.status = value.at("status").get<int>();
  if (!value.contains("method")) return answer;
  answer.method = Text(value.at("method"));
  answer.path = Text(value.at("path"));
  answer.body = Text(value.at("body"));
  if (!value.contains("headers")) return answer;
  for (const auto& [name, seen] : value.at("headers").items()) {
    answer.headers.emplace_back(name, seen.is_null() ? std::nullopt : std::optional(Bytes(seen)));
  }
  return answer;
}

}  // namespace

std::vector<CorpusCase> LoadHttpCorpus(const std::string& file) {
  std::ifstream stream(file);
  const json document = json::parse(stream);
  std::vector<CorpusCase> cases;
  for (const json& value : document.at("cases")) {
    CorpusCase& one = cases.emplace_back();
    one.name = value.at("name").get<std::string>();
    one.rfc = value.at("rfc").get<std::string>();
    one.bytes = Text(value.at("bytes"));
    for (const json& answer : value.at("answers")) one.answers.push_back(Answer(answer));
    one.closes = value.at("closes").get<bool>();
    one.ends_early = value.value("ends_early", false);
    one.interim = value.value("interim", false);
  }
  return cases;
}

}  // namespace livekit::token::testing
