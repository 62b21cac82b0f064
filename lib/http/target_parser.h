// Request targets (RFC 9112 section 3.2) as paths.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace livekit::token::http {

// cpp-httplib as the parser of request targets: query, fragment, percent-decoding.
//
// It gets the request line alone, from memory. Its connections tie a thread to each, have no limits on headers and lose
// framing after errors; its header reader skips lines that it does not understand and percent-decodes values, so that a
// client could put line breaks into them; its routes are regular expressions that recurse once per character. Those
// parts are ours.
//
// Thread safety: PathOf may be called concurrently.
class TargetParser {
 public:
  TargetParser();
  ~TargetParser();

  // The decoded path of `target`; nothing if it has none.
  std::optional<std::string> PathOf(const std::string& target) const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace livekit::token::http
