// The requests of tests/data/http_corpus.json, with what must become of each.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace livekit::token::testing {

// One answer and, for a request that reaches the handler, what it is there.
struct CorpusAnswer {
  int status = 0;
  std::string method;  // empty: refused
  std::string path;
  std::string body;
  // Name in lower case and value; no value: there is no such header.
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
};

struct CorpusCase {
  std::string name;
  std::string rfc;
  std::string bytes;
  std::vector<CorpusAnswer> answers;
  bool closes = false;      // the server ends the connection behind the last answer
  bool ends_early = false;  // the client ends its sending behind the bytes
  bool interim = false;     // 100 Continue may come before an answer
};

// Throws if the file is not what it should be.
std::vector<CorpusCase> LoadHttpCorpus(const std::string& file);

}  // namespace livekit::token::testing
